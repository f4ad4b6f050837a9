// SPDX-License-Identifier: GPL-2.0-only
// docs/control_protocol.md shows what is asked and what is answered: it must be true.
#include <gtest/gtest.h>

#include <fstream>
#include <utility>
#include <vector>

#include "commands_fixture.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

/// The indented lines of the document; one that is broken to be read is put together again.
std::vector<std::string> examples() {
  std::ifstream file(MUS_SOURCE_DIR "/docs/control_protocol.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("    {")) {
      lines.push_back(line.substr(4));
    } else if (line.starts_with("     ") && !lines.empty()) {
      lines.back() += line.substr(line.find_first_not_of(' '));
    }
  }
  return lines;
}

/// The same fields in the same order; of arrays the first element counts, of "refused" the example is enough.
void same_shape(const Json& shown, const Json& real, const std::string& where) {
  ASSERT_EQ(shown.is_number(), real.is_number()) << where;
  ASSERT_EQ(shown.is_string(), real.is_string()) << where;
  ASSERT_EQ(shown.is_array(), real.is_array()) << where;
  ASSERT_EQ(shown.is_object(), real.is_object()) << where;
  if (shown.is_array() && !shown.empty()) {
    ASSERT_FALSE(real.empty()) << where;
    same_shape(shown[0], real[0], where + "[0]");
  }
  if (!shown.is_object()) return;
  std::vector<std::string> shown_names, real_names;
  for (const auto& [name, value] : shown.items())
    shown_names.push_back(name);
  for (const auto& [name, value] : real.items())
    if (!where.ends_with("refused") || shown.contains(name)) real_names.push_back(name);
  EXPECT_EQ(shown_names, real_names) << where;
  for (const std::string& name : shown_names)
    if (real.contains(name)) same_shape(shown[name], real[name], where + "." + name);
}

class Document : public CommandsTest {
 protected:
  Document() {
    write("cgroup/redis/cpu.weight", "100\n");
    tick(0ms);
    play(1s);
    tick(1s);
    play(2s);
    tick(100ms);
  }
  /// What the scheduler says: the root and /redis, which runs, waits and is owed something.
  void play(Duration at) {
    port_.publish(at);
    port_.group(id("/redis")) = {.id = id("/redis"),
                                 .parent = CgroupId{1},
                                 .depth = 1,
                                 .weight = 400,
                                 .runnable = 3,
                                 .promised = 0.8,
                                 .lag = 1200us,
                                 .run_time = at};
    port_.wait_buckets[id("/redis")][9] += 100;
  }
};

TEST_F(Document, EveryExampleIsTrue) {
  auto lines = examples();
  std::size_t seen = 0;
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    if (!lines[i].starts_with("{\"cmd\"") || lines[i + 1].find("...}") != std::string::npos) continue;
    if (lines[i + 1].starts_with("{\"cmd\"")) continue;
    SCOPED_TRACE(lines[i]);
    auto request = nlohmann::json::parse(lines[i]);
    answers(request.dump());
    Json real = outlet_.answers[kClient].empty() ? obey() : last();
    same_shape(Json::parse(lines[i + 1]), real, std::string(request["cmd"]));
    ++seen;
  }
  EXPECT_GE(seen, 9u);
}

}  // namespace
}  // namespace mus
