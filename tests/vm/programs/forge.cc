// SPDX-License-Identifier: GPL-2.0-only
// forge: damages what a daemon that has died left in /sys/fs/bpf/mus, as a crash or somebody else might.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include <mus/abi.h>

#include "pinned_maps.h"

namespace {

using mus::pinned_maps::map;
using mus::pinned_maps::position;

/// The page of the position that userspace writes; of the decision ring, the records come after it.
char* decisions_producer() { return map("decisions", 2 * 4096, 4096); }

}  // namespace

int main(int argc, char** argv) {
  std::string what = argc == 2 ? argv[1] : "";
  if (what == "version") {
    reinterpret_cast<mus_shared*>(map("shared", sizeof(mus_shared), 0))->version = 999;
  } else if (what == "cpus") {
    reinterpret_cast<mus_shared*>(map("shared", sizeof(mus_shared), 0))->cpu_count = 1u << 30;
  } else if (what == "busy") {  // a record that was reserved and will never be submitted
    char* producer = decisions_producer();
    unsigned long at = position(producer) & ((512u << 10) - 1);
    auto* records = map("decisions", 4096 + (512 << 10), 4096) + 4096;
    std::uint32_t header = sizeof(mus_decision) | BPF_RINGBUF_BUSY_BIT;
    std::memcpy(records + at, &header, sizeof(header));
    position(producer) += 8 + sizeof(mus_decision);
  } else if (what == "decisions") {
    position(decisions_producer()) += 12;
  } else if (what == "events") {
    position(map("events", 4096, 0)) += 20;
  } else {
    std::fprintf(stderr, "usage: forge version|cpus|busy|decisions|events\n");
    return 2;
  }
  return 0;
}
