// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/libbpf_log.h"

#include <bpf/libbpf.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <deque>
#include <string_view>

namespace mus::libbpf_log {
namespace {

constexpr std::size_t kKeptLines = 4;

bool shown = false;
std::deque<std::string> kept;

[[gnu::format(printf, 2, 0)]] int print(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG && !shown) return 0;
  std::array<char, 65536> text;
  int n = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (shown) std::fputs(text.data(), stderr);
  if (level == LIBBPF_DEBUG || n <= 0) return n;
  std::string_view rest(text.data());
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty() || line.starts_with("processed ") || line.find("END PROG LOAD LOG") != line.npos ||
        line.find("failed to load object") != line.npos || line.find("failed to load: -") != line.npos)
      continue;
    kept.emplace_back(line);
    if (kept.size() > kKeptLines) kept.pop_front();
  }
  return n;
}

}  // namespace

void install(bool verbose) {
  shown = verbose;
  libbpf_set_print(print);
}

std::string last_lines() {
  std::string joined;
  for (const std::string& line : kept) joined += (joined.empty() ? "" : " / ") + line;
  return joined.empty() ? "no reason given" : joined;
}

}  // namespace mus::libbpf_log
