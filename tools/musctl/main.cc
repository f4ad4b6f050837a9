// SPDX-License-Identifier: GPL-2.0-only
#include <unistd.h>

#include <clocale>
#include <exception>
#include <iostream>

#include "musctl/command_line.h"
#include "musctl/exit_code.h"

int main(int argc, char** argv) {
  // Characters only: numbers keep their points, for scripts.
  std::setlocale(LC_CTYPE, "");
  try {
    return mus::ctl::run({argv + 1, argv + argc}, std::cout, std::cerr, ::isatty(STDOUT_FILENO) == 1);
  } catch (const std::exception& error) {
    std::cerr << "musctl: internal error: " << error.what() << '\n';
    return mus::ctl::kExitInternal;
  }
}
