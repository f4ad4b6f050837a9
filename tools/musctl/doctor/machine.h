// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace mus::ctl {

/// The files in which a machine describes itself. Everything that doctor knows comes from here, so that a test
/// can put a tree of its own in place of /.
class Machine {
 public:
  explicit Machine(std::filesystem::path root = "/") : root_(std::move(root)) {}

  /// `path` as the machine names it ("/proc/self/status") in this process's file system.
  [[nodiscard]] std::filesystem::path at(const std::string& path) const;
  [[nodiscard]] bool exists(const std::string& path) const;
  /// Nothing if it cannot be read.
  [[nodiscard]] std::optional<std::string> read(const std::string& path) const;
  /// Of a file, the first line without its newline; empty if it cannot be read.
  [[nodiscard]] std::string line(const std::string& path) const;
  /// The same, unpacked if it is packed by gzip.
  [[nodiscard]] std::optional<std::string> read_gzip(const std::string& path) const;
  /// Of a file with lines "Name: value" the value, blanks trimmed.
  [[nodiscard]] std::string value(const std::string& path, const std::string& name) const;
  [[nodiscard]] std::vector<std::string> list(const std::string& folder) const;

  [[nodiscard]] std::string kernel_release() const { return line("/proc/sys/kernel/osrelease"); }

  struct Mount {
    std::string path, type, options;
  };
  [[nodiscard]] std::vector<Mount> mounts() const;

 private:
  std::filesystem::path root_;
};

}  // namespace mus::ctl
