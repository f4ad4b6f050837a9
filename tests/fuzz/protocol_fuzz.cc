// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer: whatever bytes come in at the control socket, each line is understood or refused, in valid JSON.
// Build: cmake --preset fuzz && cmake --build --preset fuzz; run: build/fuzz/tests-bin/protocol_fuzz -max_total_time=60
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/protocol.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_line(std::string_view line) {
  mus::Request request = mus::parse_request(line);
  std::string answer =
      request.ask ? mus::ok_line(request.tag) : mus::error_line(request.tag, request.ask.error());
  require(answer.ends_with('\n') && answer.find('\n') == answer.size() - 1);
  require(answer.size() < 8192);
  require(mus::Json::accept(answer));
  // A cgroup's name may be anything.
  require(mus::Json::accept(mus::ok_line(request.tag, mus::Members{}.add("cgroup", line).add("weight", line.size()))));
  if (!request.ask) {
    require(!request.ask.error().code.empty() && !request.ask.error().message.empty());
    return;
  }
  if (auto* set = std::get_if<mus::ask::WeightSet>(&*request.ask)) {
    require(set->weight >= 1 && set->weight <= 10000);
    require(!set->ttl || (set->ttl->count() >= 1 && set->ttl->count() <= 31'536'000'000));
    if (auto* path = std::get_if<std::string>(&set->cgroup)) require(mus::check_cgroup_path(*path) == *path);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);  // libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The first byte says into which pieces the socket cuts the rest.
  std::size_t piece = size ? 1 + data[0] : 1;
  mus::LineBuffer lines(4096);
  while (!bytes.empty() && !lines.too_long()) {
    std::size_t count = std::min({bytes.size(), piece, lines.room()});
    lines.add(bytes.substr(0, count));
    bytes.remove_prefix(count);
    while (auto line = lines.next())
      check_line(*line);
  }
  check_line({reinterpret_cast<const char*>(data), size});
  return 0;
}
