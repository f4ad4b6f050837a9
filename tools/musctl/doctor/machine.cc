// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/doctor/machine.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

namespace mus::ctl {

namespace fs = std::filesystem;

fs::path Machine::at(const std::string& path) const {
  return root_ / fs::path(path).relative_path();
}

bool Machine::exists(const std::string& path) const {
  std::error_code ignored;
  return fs::exists(at(path), ignored);
}

std::optional<std::string> Machine::read(const std::string& path) const {
  std::ifstream file(at(path));
  if (!file) return std::nullopt;
  std::ostringstream text;
  // Files of /proc may fail while they are read (a process that has ended): then it is as if they were not there.
  if (!(text << file.rdbuf()) && !file.eof()) return std::nullopt;
  return text.str();
}

std::string Machine::line(const std::string& path) const {
  std::ifstream file(at(path));
  std::string text;
  std::getline(file, text);
  return text;
}

std::optional<std::string> Machine::read_gzip(const std::string& path) const {
  gzFile file = ::gzopen(at(path).c_str(), "rb");
  if (!file) return std::nullopt;
  std::string text;
  std::array<char, 65536> buffer;
  int got = 0;
  while ((got = ::gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0)
    text.append(buffer.data(), static_cast<std::size_t>(got));
  ::gzclose(file);
  if (got < 0) return std::nullopt;
  return text;
}

std::string Machine::value(const std::string& path, const std::string& name) const {
  std::ifstream file(at(path));
  for (std::string text; std::getline(file, text);) {
    if (!text.starts_with(name + ":")) continue;
    auto from = text.find_first_not_of(" \t", name.size() + 1);
    return from == std::string::npos ? "" : text.substr(from);
  }
  return {};
}

std::vector<std::string> Machine::list(const std::string& folder) const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(at(folder), ignored))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

std::vector<Machine::Mount> Machine::mounts() const {
  std::vector<Mount> mounts;
  std::istringstream file(read("/proc/self/mounts").value_or(""));
  for (std::string text; std::getline(file, text);) {
    std::istringstream fields(text);
    std::string device;
    Mount mount;
    if (fields >> device >> mount.path >> mount.type >> mount.options) mounts.push_back(mount);
  }
  return mounts;
}

}  // namespace mus::ctl
