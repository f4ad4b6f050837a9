// SPDX-License-Identifier: GPL-2.0-only
#include <mus/task.h>

#include <gtest/gtest.h>

#include <cstdint>

namespace mus {
namespace {

struct Counted {
  explicit Counted(int& n) : ended(n) {}
  ~Counted() { ++ended; }
  int& ended;
};

TEST(PolicyArea, IsEmptyUntilSomethingIsMadeInIt) {
  PolicyArea<32> area;
  EXPECT_TRUE(area.empty());
  area.emplace<int>(7);
  EXPECT_FALSE(area.empty());
  EXPECT_EQ(area.get<int>(), 7);
}

TEST(PolicyArea, EndsWhatItHoldsExactlyOnce) {
  int ended = 0;
  {
    PolicyArea<32> area;
    area.emplace<Counted>(ended);
    area.reset();
    EXPECT_EQ(ended, 1);
    area.reset();
    EXPECT_EQ(ended, 1);
    area.emplace<Counted>(ended);
  }
  EXPECT_EQ(ended, 2);
}

TEST(PolicyArea, EndsTheOldWhenANewOneIsMade) {
  int ended = 0;
  PolicyArea<32> area;
  area.emplace<Counted>(ended);
  area.emplace<Counted>(ended);
  EXPECT_EQ(ended, 1);
}

TEST(PolicyArea, IsAligned) {
  struct alignas(16) Wide {
    std::uint64_t words[2];
  };
  PolicyArea<32> area;
  auto& wide = area.emplace<Wide>();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&wide) % 16, 0u);
}

}  // namespace
}  // namespace mus
