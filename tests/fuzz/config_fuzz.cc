// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer: whatever a configuration file, a command line, a --chaos plan or the file of weights says: options within their
// bounds, or an error that says something.
// Build: cmake --preset fuzz && cmake --build --preset fuzz; run: build/fuzz/tests-bin/config_fuzz -max_total_time=60
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "bytes.h"
#include "control/weights.h"
#include "core/chaos.h"
#include "exit_code.h"
#include "options.h"
#include "policies/registry.h"
#include "temp_folder.h"

namespace {

using mus::fuzz::Bytes;
using mus::fuzz::require;
using namespace std::chrono_literals;

const std::string& scratch_file() {
  static mus::fakes::TempFolder folder;
  static const std::string file = folder.path() / "file";
  return file;
}

void write_rest(Bytes& bytes) {
  std::ofstream(scratch_file(), std::ios::binary).write(bytes.text(), static_cast<std::streamsize>(bytes.size()));
}

void check_error(const mus::Error& error, int code) { require(!error.what.empty() && error.exit_code == code); }

void check_plan(const mus::ChaosPlan& plan) {
  for (double rate : {plan.drop, plan.dup, plan.stale}) require(rate >= 0 && rate <= 1);
  for (mus::Duration time : {plan.delay, plan.stop, plan.stop_every, plan.kill}) require(time >= 0ns && time <= 1h);
}

void check_arguments(std::vector<std::string> arguments) {
  std::cout.setstate(std::ios::failbit);  // --help
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  bool exit_now = false;
  auto options = mus::parse_options(static_cast<int>(arguments.size()), argv.data(), exit_now);
  if (!options) return check_error(options.error(), mus::kExitUsage);
  if (exit_now) return;
  require(mus::find_policy(options->policy).has_value());
  require(options->slice >= 100us && options->slice <= 100ms && options->hold >= 50us && options->hold <= 100ms);
  require(options->stall >= 1ms && options->stall <= 1s && options->orphan >= 0s && options->orphan <= 24h);
  require(options->stats_sec == 0 || (options->stats_sec >= 0.1 && options->stats_sec <= 3600));
  require(options->max_tasks >= 64 && options->max_tasks <= 4194304);
  require(options->exit_dump_bytes >= 4096 && options->exit_dump_bytes <= MUS_EXIT_DUMP_BYTES);
  require(options->weights.size() == options->weight_texts.size());
  for (const mus::WeightOption& weight : options->weights)
    require(weight.path.starts_with('/') && weight.weight >= mus::Weight::kMin && weight.weight <= mus::Weight::kMax);
  check_plan(options->chaos);
  mus::PolicyConfig config{.slice = options->slice};
  auto made = mus::make_policy(**mus::find_policy(options->policy), config, options->settings);
  if (!made) check_error(made.error(), mus::kExitUsage);
}

void check_command_line(Bytes& bytes) {
  std::vector<std::string> arguments{"mus-userland"};
  std::string argument;
  while (!bytes.empty()) {
    char c = bytes.next<char>();
    if (c != '\n' && c != '\0') {
      argument += c;
      if (!bytes.empty()) continue;
    }
    if (argument.starts_with("--config")) return;  // a file of this machine
    arguments.push_back(std::exchange(argument, {}));
  }
  check_arguments(std::move(arguments));
}

// Which is there, by its path and id: half of them.
bool there(const mus::SetWeight& weight) { return raw(weight.id) % 2; }

void check_weights(Bytes& bytes) {
  write_rest(bytes);
  mus::Moment now = mus::Moment::now();
  mus::WeightStore store(scratch_file()), again(scratch_file());
  for (const std::string& note : store.load(now, there)) require(!note.empty());
  require(store.all().size() <= mus::WeightStore::kMost);
  for (const auto& [id, weight] : store.all()) {
    require(id == weight.id && there(weight) && weight.path.starts_with('/'));
    require(weight.weight >= mus::Weight::kMin && weight.weight <= mus::Weight::kMax);
    require(!weight.until || (*weight.until > now.steady && *weight.until - now.steady <= 366 * 24h));
  }
  // What was understood is written and read again.
  require(store.save(now, true).has_value());
  require(again.load(now, there).empty());
  for (const auto& [id, weight] : again.all()) {
    const mus::SetWeight* was = store.find(id);
    require(was && was->weight == weight.weight && was->path == weight.path);
  }
  for (const auto& [id, weight] : store.all()) require(again.find(id) || (weight.until && *weight.until - now.steady < 1ms));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);  // libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  switch (bytes.below(4)) {
    case 0:
      write_rest(bytes);
      check_arguments({"mus-userland", "--config", scratch_file()});
      break;
    case 1: check_command_line(bytes); break;
    case 2: {
      auto plan = mus::ChaosPlan::parse({bytes.text(), bytes.size()});
      if (plan)
        check_plan(*plan);
      else
        check_error(plan.error(), mus::kExitUsage);
      break;
    }
    default: check_weights(bytes);
  }
  return 0;
}
