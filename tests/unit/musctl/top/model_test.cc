// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshots.h"

namespace mus::ctl {
namespace {

using testing::ElementsAre;

/// "  name", indented by depth; + when collapsed.
std::vector<std::string> shown(const TopModel& model) {
  std::vector<std::string> names;
  for (const auto& row : model.rows())
    names.push_back(std::string(row.depth, ' ') + (row.collapsed ? "+" : "") + row.name);
  return names;
}

TEST(TopModel, BuildsTheTreeByName) {
  TopModel model;
  model.update(example());
  EXPECT_THAT(shown(model), ElementsAre("/", " system", "  cron", "  redis", " user", "  1000"));
}

TEST(TopModel, FindsTheNearestAncestorWhenAParentIsNotTold) {
  Json stats = example_stats();
  Json& cgroups = stats["cgroups"];
  cgroups.erase(2);                         // /system
  cgroups[3]["cgroup"] = "/system/a/cron";  // its parent is unknown, too
  TopModel model;
  model.update(read_snapshot(stats));
  EXPECT_THAT(shown(model), ElementsAre("/", " system/a/cron", " system/redis", " user", "  1000"));
}

TEST(TopModel, SurvivesATreeThatIsNone) {
  Json stats{{"cgroups",
              {{{"cgroup", "/a"}, {"cgroup_id", 1}, {"parent_id", 2}},
               {{"cgroup", "/b"}, {"cgroup_id", 2}, {"parent_id", 1}},
               {{"cgroup", "/b"}, {"cgroup_id", 2}, {"parent_id", 2}},
               {{"cgroup", ""}},
               "nonsense",
               {{"weight", "x"}}}}};
  TopModel model;
  model.update(read_snapshot(stats));
  EXPECT_EQ(model.rows().size(), 5u);
  model.cycle_sort();
  EXPECT_EQ(model.rows().size(), 5u);
}

TEST(TopModel, CollapsesAndExpands) {
  TopModel model;
  model.update(example());
  model.move(1);
  model.collapse();
  EXPECT_THAT(shown(model), ElementsAre("/", " +system", " user", "  1000"));
  EXPECT_EQ(model.selected_cgroup()->path, "/system");
  model.update(example());
  EXPECT_EQ(model.rows().size(), 4u) << "a snapshot must not expand it";
  model.toggle();
  EXPECT_EQ(model.rows().size(), 6u);
}

TEST(TopModel, CollapseOfALeafGoesToItsParent) {
  TopModel model;
  model.update(example());
  model.move(3);
  model.collapse();
  EXPECT_EQ(model.selected_cgroup()->path, "/system");
  EXPECT_EQ(model.rows().size(), 6u);
}

TEST(TopModel, SortsAsAListWithTheLargestFirst) {
  TopModel model;
  model.update(example());
  model.cycle_sort();
  EXPECT_EQ(model.sort(), Sort::kShare);
  EXPECT_THAT(shown(model),
              ElementsAre("/", "/system", "/system/redis", "/user", "/user/1000", "/system/cron"));
  model.cycle_sort();
  EXPECT_THAT(shown(model)[0], "/system/cron");  // lag
  model.cycle_sort();
  EXPECT_THAT(shown(model)[1], "/system/redis");  // wait: 8.5, 3.1, 0.5, the others have none
  EXPECT_EQ(model.sort(), Sort::kWait);
  model.cycle_sort();
  EXPECT_EQ(model.sort(), Sort::kTree);
}

TEST(TopModel, TheSelectionStaysWithItsCgroup) {
  TopModel model;
  model.update(example());
  model.move(3);
  EXPECT_EQ(model.selected_cgroup()->path, "/system/redis");
  model.cycle_sort();
  EXPECT_EQ(model.selected_cgroup()->path, "/system/redis");
  Json stats = example_stats();
  stats["cgroups"].erase(3);
  model.update(read_snapshot(stats));
  EXPECT_NE(model.selected_cgroup(), nullptr);
}

TEST(TopModel, TheSelectionComesBackAfterNothingWasThere) {
  TopModel model;
  model.update(example());
  model.move(3);
  model.update({});
  EXPECT_EQ(model.selected_cgroup(), nullptr);
  model.move(1);
  model.toggle();
  model.collapse();
  model.expand();
  model.update(example());
  EXPECT_EQ(model.selected_cgroup()->path, "/system/redis");
}

TEST(TopModel, MovesNoFurtherThanTheEnds) {
  TopModel model;
  model.update(example());
  model.move(INT64_MAX);
  EXPECT_EQ(model.selected(), 5u);
  model.move(INT64_MIN);
  EXPECT_EQ(model.selected(), 0u);
}

TEST(Snapshot, IsPerSecondWhateverTheInterval) {
  EXPECT_EQ(example().cgroups[1].cpu_ms_per_s, 50);
  EXPECT_EQ(read_snapshot(Json::object()).mode, "unknown");
}

}  // namespace
}  // namespace mus::ctl
