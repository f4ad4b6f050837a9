// SPDX-License-Identifier: GPL-2.0-only
#include "control/cgroupfs.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "exit_code.h"
#include "policies/registry.h"

namespace mus {

namespace fs = std::filesystem;

Result<std::string> cgroup_mount() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, path, type;
    fields >> device >> path >> type;
    if (type == "cgroup2") return path;
  }
  return fail("cgroup v2 is not mounted", "mount it: mount -t cgroup2 none /sys/fs/cgroup", kExitUsage);
}

Result<CgroupId> find_cgroup(const std::string& path) {
  auto mount = cgroup_mount();
  if (!mount) return std::unexpected(mount.error());
  fs::path folder = fs::path(*mount) / fs::path(path).relative_path();
  struct stat status {};
  if (::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return CgroupId{status.st_ino};

  std::vector<std::string> siblings;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder.parent_path(), ignored))
    if (entry.is_directory(ignored)) siblings.push_back(entry.path().filename());
  std::vector<std::string_view> names(siblings.begin(), siblings.end());
  auto near = nearest_name(folder.filename().native(), names);
  std::string remedy = near.empty() ? "the cgroups there are are the folders in " + *mount
                                    : "did you mean " + (fs::path(path).parent_path() / near).string() + "?";
  return fail("no cgroup " + path + " (looked for " + folder.string() + ")", remedy, kExitUsage);
}

}  // namespace mus
