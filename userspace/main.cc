// SPDX-License-Identifier: GPL-2.0-only
#include <cstdio>
#include <exception>

#include "control/daemon.h"
#include "exit_code.h"
#include "options.h"

int main(int argc, char** argv) try {
  bool exit_now = false;
  auto options = mus::parse_options(argc, argv, exit_now);
  if (!options) {
    std::fprintf(stderr, "mus-userland: %s\n", options.error().message().c_str());
    return options.error().exit_code;
  }
  return exit_now ? mus::kExitOk : mus::run_daemon(*options);
} catch (const std::exception& unexpected) {
  std::fprintf(stderr, "mus-userland: %s; this is a bug in mus\n", unexpected.what());
  return mus::kExitInternal;
}
