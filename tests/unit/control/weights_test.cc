// SPDX-License-Identifier: GPL-2.0-only
#include "control/weights.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fakes/temp_folder.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

constexpr CgroupId kA{10}, kB{11}, kC{12};

Moment at(std::chrono::milliseconds steady, std::chrono::milliseconds wall = 1000h) {
  return {.steady = std::chrono::steady_clock::time_point(1h + steady),
          .wall = std::chrono::system_clock::time_point(wall + steady)};
}

bool anywhere(const SetWeight&) {
  return true;
}

SetWeight weight(CgroupId id, std::uint32_t value, const std::string& path = "/a") {
  return {.id = id, .path = path, .weight = value};
}

class WeightStoreTest : public testing::Test {
 protected:
  [[nodiscard]] std::string file() const { return folder_.path() / "state.json"; }
  [[nodiscard]] std::string text() const {
    std::ifstream in(file());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(file()) << bytes; }
  fakes::TempFolder folder_;
};

TEST_F(WeightStoreTest, ReplacesAndForgets) {
  WeightStore store("");
  EXPECT_TRUE(store.set(weight(kA, 400)));
  EXPECT_TRUE(store.set(weight(kA, 500)));
  EXPECT_EQ(store.find(kA)->weight, 500u);
  EXPECT_EQ(store.all().size(), 1u);
  EXPECT_TRUE(store.unset(kA));
  EXPECT_FALSE(store.unset(kA));
}

TEST_F(WeightStoreTest, HasABound) {
  WeightStore store("");
  for (std::uint64_t id = 1; id <= WeightStore::kMost; ++id)
    ASSERT_TRUE(store.set(weight(CgroupId{id}, 1)));
  EXPECT_FALSE(store.set(weight(CgroupId{99999}, 1)));
  EXPECT_TRUE(store.set(weight(CgroupId{1}, 2))) << "one that is there can be changed";
}

TEST_F(WeightStoreTest, WeightsEndWhenTheirTimeHasCome) {
  WeightStore store("");
  auto a = weight(kA, 1), b = weight(kB, 1);
  a.until = at(100ms).steady;
  b.until = at(50ms).steady;
  EXPECT_EQ(store.expiry_due(), std::nullopt);
  ASSERT_TRUE(store.set(a) && store.set(b) && store.set(weight(kC, 1)));
  EXPECT_EQ(store.expiry_due(), at(50ms).steady);
  EXPECT_TRUE(store.take_expired(at(49ms)).empty());
  auto over = store.take_expired(at(50ms));
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].id, kB);
  EXPECT_EQ(store.take_expired(at(1h)).size(), 1u);
  EXPECT_EQ(store.all().size(), 1u);
}

TEST_F(WeightStoreTest, LooksAtAllInTurnForThoseThatHaveGone) {
  WeightStore store("");
  for (std::uint64_t id = 1; id <= 10; ++id)
    ASSERT_TRUE(store.set(weight(CgroupId{id}, 1)));
  auto there = [](const SetWeight& entry) { return raw(entry.id) % 2 == 0; };
  std::size_t gone = 0;
  for (int i = 0; i < 4; ++i)
    gone += store.take_gone(there, 3).size();
  EXPECT_EQ(gone, 5u);
  EXPECT_EQ(store.all().size(), 5u);
  WeightStore empty("");
  EXPECT_TRUE(empty.take_gone(there, 3).empty());
}

TEST_F(WeightStoreTest, SurvivesARestartWithWhatIsLeftOfItsTime) {
  {
    WeightStore store(file());
    auto a = weight(kA, 400, "/a");
    a.until = at(30s).steady;
    ASSERT_TRUE(store.set(a) && store.set(weight(kB, 7, "/b")));
    ASSERT_TRUE(store.save(at(0ms)));
  }
  // Another boot of the daemon: the steady clock began anew, ten seconds have passed.
  Moment now{.steady = std::chrono::steady_clock::time_point(5h), .wall = at(10s).wall};
  WeightStore store(file());
  EXPECT_TRUE(store.load(now, anywhere).empty());
  ASSERT_TRUE(store.find(kA));
  EXPECT_NEAR(std::chrono::duration<double>(*store.find(kA)->until - now.steady).count(), 20, 0.01);
  EXPECT_EQ(store.find(kA)->path, "/a");
  EXPECT_EQ(store.find(kB)->until, std::nullopt);
}

TEST_F(WeightStoreTest, DropsWhatEndedOrWentWhileNobodyRan) {
  {
    WeightStore store(file());
    auto a = weight(kA, 400, "/a");
    a.until = at(30s).steady;
    ASSERT_TRUE(store.set(a) && store.set(weight(kB, 7, "/b")) && store.set(weight(kC, 8, "/c")));
    ASSERT_TRUE(store.save(at(0ms)));
  }
  WeightStore store(file());
  auto notes = store.load(at(31s), [](const SetWeight& entry) { return entry.path != "/b"; });
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("/b is gone"), std::string::npos) << notes[0];
  EXPECT_EQ(store.all().size(), 1u);
  EXPECT_TRUE(store.find(kC));
  EXPECT_NE(store.save_due(), std::nullopt) << "the file does not say so yet";
}

TEST_F(WeightStoreTest, KeepsNoWeightOfTheCommandLine) {
  WeightStore store(file());
  auto a = weight(kA, 400);
  a.by_option = true;
  ASSERT_TRUE(store.set(a));
  ASSERT_TRUE(store.save(at(0ms)));
  EXPECT_EQ(text().find("400"), std::string::npos);
}

TEST_F(WeightStoreTest, WritesAtMostTenTimesASecond) {
  WeightStore store(file());
  int writes = 0;
  for (int ms = 0; ms < 1000; ++ms) {
    ASSERT_TRUE(store.set(weight(kA, static_cast<std::uint32_t>(ms + 1))));
    auto before = store.save_due();
    ASSERT_TRUE(before);
    ASSERT_TRUE(store.save(at(std::chrono::milliseconds(ms))));
    writes += !store.save_due();
  }
  EXPECT_EQ(writes, 10);
  EXPECT_NE(store.save_due(), std::nullopt) << "the last one waits for its turn";
  ASSERT_TRUE(store.save(at(1s)));
  EXPECT_NE(text().find("1000"), std::string::npos);
}

TEST_F(WeightStoreTest, TakesTheOldFilesPlaceInOneStep) {
  WeightStore store(file());
  ASSERT_TRUE(store.set(weight(kA, 1)));
  ASSERT_TRUE(store.save(at(0ms)));
  std::filesystem::permissions(file(), std::filesystem::perms::owner_read);
  std::ifstream old(file());
  ASSERT_TRUE(store.set(weight(kA, 4321)));
  ASSERT_TRUE(store.save(at(1s)));
  std::string seen{std::istreambuf_iterator<char>(old), {}};
  EXPECT_EQ(seen.find("4321"), std::string::npos) << "who has it open reads the old one to its end";
  EXPECT_NE(text().find("4321"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(file() + ".new"));
}

TEST_F(WeightStoreTest, SaysWhyItCannotBeWritten) {
  WeightStore store(folder_.path() / "none/state.json");
  ASSERT_TRUE(store.set(weight(kA, 1)));
  auto saved = store.save(at(0ms));
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().remedy, "");
  EXPECT_TRUE(store.save(at(50ms))) << "tried again later";
  EXPECT_FALSE(store.save(at(100ms)));
}

TEST_F(WeightStoreTest, WritesThroughNoSymbolicLink) {
  std::ofstream(folder_.path() / "victim") << "untouched";
  std::filesystem::create_symlink(folder_.path() / "victim", file() + ".new");
  WeightStore store(file());
  ASSERT_TRUE(store.set(weight(kA, 1)));
  ASSERT_TRUE(store.save(at(0ms)));
  EXPECT_EQ(std::filesystem::file_size(folder_.path() / "victim"), 9u);
}

TEST_F(WeightStoreTest, ANewFileIsNothingToNote) {
  WeightStore store(file());
  EXPECT_TRUE(store.load(at(0ms), anywhere).empty());
}

TEST_F(WeightStoreTest, GoesOnWithoutAFileThatItDoesNotUnderstand) {
  for (const char* bytes : {"", "{", "[]", "7", "{\"version\":2,\"weights\":[]}", "{\"version\":1}",
                            "{\"version\":1,\"weights\":{}}", "\xff\xfe"}) {
    write(bytes);
    WeightStore store(file());
    EXPECT_EQ(store.load(at(0ms), anywhere).size(), 1u) << bytes;
    EXPECT_TRUE(store.all().empty());
  }
}

TEST_F(WeightStoreTest, DropsEntriesThatItDoesNotUnderstand) {
  write(
      R"({"version":1,"weights":[1,null,{},{"cgroup":"/a","cgroup_id":1,"weight":0},{"cgroup":"/a","cgroup_id":1,"weight":10001},
    {"cgroup":"/../a","cgroup_id":1,"weight":1},{"cgroup":"/a","cgroup_id":-1,"weight":1},{"cgroup":"/a","cgroup_id":1,"weight":1,"until":"x"},
    {"cgroup":"/good","cgroup_id":5,"weight":1,"until":1e300}]})");
  WeightStore store(file());
  auto notes = store.load(at(0ms), anywhere);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_TRUE(notes[0].starts_with("8 entries")) << notes[0];
  ASSERT_EQ(store.all().size(), 1u);
  EXPECT_EQ(store.find(CgroupId{5})->path, "/good");
}

}  // namespace
}  // namespace mus
