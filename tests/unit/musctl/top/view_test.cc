// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "musctl/text.h"
#include "snapshots.h"

namespace mus::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(const Line& line) {
  std::string text;
  for (const Span& span : line)
    text += span.text;
  return text;
}

std::string text_of(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines)
    text += text_of(line) + "\n";
  return text;
}

struct View : testing::Test {
  TopModel model;
  ViewState state{.kernel = "6.18.15+deb13-cloud-amd64"};
  std::size_t first_row = 0;
  View() { model.update(example()); }
  std::vector<Line> at(std::size_t width, std::size_t height) {
    return render(model, state, width, height, first_row);
  }
};

TEST_F(View, HasEveryColumnAt80) {
  std::string screen = text_of(at(80, 24));
  for (const char* title :
       {"CGROUP", "WEIGHT", "PROM%", "REAL%", "LAG ms", "TASKS", "WAIT50", "WAIT99", "ms/s"})
    EXPECT_THAT(screen, HasSubstr(title));
  EXPECT_THAT(
      screen,
      HasSubstr("      redis                  100   50.0  60.0    -4.0     2   0.10   3.10     50\n"));
}

TEST_F(View, LargeFiguresKeepTheirColumns) {
  Json stats = example_stats();
  Json& cgroup = stats["cgroups"][3];
  for (double wait : {0.0, 9.999, 99.996, 999.95, 9999.96, 123456.7}) {
    cgroup["wait_p50_ms"] = wait;
    cgroup["wait_p99_ms"] = wait;
    cgroup["lag_ms"] = -wait;
    cgroup["weight"] = 10000;
    cgroup["source"] = "mus";
    model.update(read_snapshot(stats));
    auto lines = at(80, 24);
    EXPECT_EQ(columns(text_of(lines[7])), 80u) << wait;
    EXPECT_THAT(text_of(lines[7]), HasSubstr("redis  "));
  }
}

TEST_F(View, FitsAnySize) {
  state.message = "a message that is a good deal longer than the narrowest of screens";
  for (bool help : {false, true}) {
    state.help = help;
    for (std::size_t width = 0; width <= 130; width += width < 20 ? 1 : 7)
      for (std::size_t height = 0; height <= 30; ++height) {
        auto lines = at(width, height);
        ASSERT_LE(lines.size(), height);
        for (const Line& line : lines)
          ASSERT_LE(columns(text_of(line)), width) << width << "x" << height;
      }
  }
}

TEST_F(View, LeavesOutColumnsBeforeTheName) {
  std::string screen = text_of(at(40, 24));
  EXPECT_THAT(screen, HasSubstr("redis"));
  EXPECT_THAT(screen, HasSubstr("WEIGHT"));
  EXPECT_THAT(screen, Not(HasSubstr("WAIT50")));
}

TEST_F(View, ScrollsToTheSelection) {
  model.move(5);
  std::string screen = text_of(at(80, 7));  // two rows
  EXPECT_THAT(screen, HasSubstr("1000"));
  EXPECT_THAT(screen, Not(HasSubstr("redis")));
  model.move(-5);
  EXPECT_THAT(text_of(at(80, 7)), HasSubstr("system"));
  EXPECT_EQ(first_row, 0u);
}

TEST_F(View, MarksWhatMusSet) {
  model.set_weight(21, 400, true);
  EXPECT_THAT(text_of(at(80, 24)), HasSubstr(" 400*"));
}

TEST_F(View, ColoursTheMode) {
  EXPECT_EQ(head_lines(model, state)[0][1].style, Style::kGood);
  Json stats = example_stats();
  stats["mode"] = "fallback";
  model.update(read_snapshot(stats));
  EXPECT_EQ(head_lines(model, state)[0][1].style, Style::kWarn);
  state.connected = false;
  EXPECT_EQ(head_lines(model, state)[0][1].style, Style::kBad);
  EXPECT_EQ(head_lines(model, state)[0][1].text, "no connection");
}

TEST_F(View, NoCgroupNameControlsTheTerminal) {
  Json stats = example_stats();
  stats["cgroups"][1]["cgroup"] = "/\033[2Jevil";
  model.update(read_snapshot(stats));
  EXPECT_THAT(text_of(at(80, 24)), Not(HasSubstr("\033")));
}

TEST_F(View, ATableHasNoWidthLimit) {
  Json stats = example_stats();
  stats["cgroups"][1]["cgroup"] = "/" + std::string(200, 'x');
  model.update(read_snapshot(stats));
  auto lines = table_lines(model);
  EXPECT_EQ(lines.size(), 7u);
  for (const auto& line : lines)
    EXPECT_EQ(line.size(), lines[0].size());
}

}  // namespace
}  // namespace mus::ctl
