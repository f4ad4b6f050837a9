// SPDX-License-Identifier: GPL-2.0-only
#include "control/cgroupfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "control/protocol.h"
#include "exit_code.h"
#include "policies/registry.h"

namespace mus {
namespace {

constexpr std::size_t kMostSiblings = 4096;  // looked at for a hint
constexpr std::size_t kMostFolders = 16384;  // looked at for a path: MUS_MAX_CGROUPS
constexpr auto kWalkEvery = std::chrono::seconds(1);
constexpr int kHandleType = 0xfe;  // FILEID_KERNFS of linux/exportfs.h: the handle is the id
constexpr std::uint64_t kReading = O_RDONLY | O_NONBLOCK;

/// "\040" in a mount table is a space.
std::string unescaped(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    unsigned code = 0;
    if (field[i] == '\\' && i + 3 < field.size() &&
        std::from_chars(&field[i + 1], &field[i + 1] + 3, code, 8).ptr == &field[i + 1] + 3) {
      text += static_cast<char>(code);
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

std::vector<std::string> folders_in(int folder, std::size_t most) {
  std::vector<std::string> names;
  int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return names;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd), ::closedir);
  if (!stream) {
    ::close(fd);
    return names;
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string_view name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    names.emplace_back(name);
    if (names.size() == most) break;
  }
  return names;
}

/// A small file of the kernel's; none: not there.
std::optional<std::string> text_of(const Fd& file) {
  std::array<char, 512> text;
  ssize_t size = file ? ::pread(file.get(), text.data(), text.size(), 0) : -1;
  if (size < 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

template <typename T>
std::optional<T> number_in(const Fd& file) {
  auto text = text_of(file);
  T number{};
  if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc{})
    return std::nullopt;
  return number;
}

std::optional<CgroupId> id_of(const Fd& folder) {
  struct stat status{};
  if (!folder || ::fstat(folder.get(), &status)) return std::nullopt;
  return CgroupId{status.st_ino};
}

std::optional<std::string> without_mount(std::string_view path, std::string_view mount) {
  if (mount == "/") return std::string(path);
  if (!path.starts_with(mount)) return std::nullopt;
  path.remove_prefix(mount.size());
  if (path.empty()) return "/";
  return path.front() == '/' ? std::optional(std::string(path)) : std::nullopt;
}

}  // namespace

std::string cgroup_mount_in(std::string_view table) {
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(table.size(), line.size() + 1));
    std::array<std::string_view, 3> fields;  // device, where, type
    for (std::string_view& field : fields) {
      field = line.substr(0, line.find(' '));
      line.remove_prefix(std::min(line.size(), field.size() + 1));
    }
    if (fields[2] == "cgroup2") return unescaped(fields[1]);
  }
  return {};
}

Result<std::string> cgroup_mount() {
  std::ifstream file("/proc/self/mounts");
  std::string table((std::istreambuf_iterator<char>(file)), {});
  if (auto mount = cgroup_mount_in(table); !mount.empty()) return mount;
  return fail("cgroup v2 is not mounted", "mount it: mount -t cgroup2 none /sys/fs/cgroup", kExitUsage);
}

Result<CgroupId> find_cgroup(const std::string& path) {
  auto mount = cgroup_mount();
  if (!mount) return std::unexpected(mount.error());
  auto clean = check_cgroup_path(path);
  if (!clean) return fail("cgroup " + path + ": " + clean.error().message, clean.error().hint, kExitUsage);
  auto fs = CgroupFs::open(*mount);
  if (!fs) return std::unexpected(fs.error());
  auto place = fs->find(*clean);
  if (!place) return std::unexpected(place.error());
  return place->id;
}

Result<CgroupFs> CgroupFs::open(const std::string& mount, const std::string& proc) {
  CgroupFs fs;
  fs.mount_ = mount;
  fs.proc_ = proc;
  // Not O_PATH: open_by_handle_at() wants a descriptor that is open.
  fs.root_ = Fd(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fs.root_)
    return fail(mount + " cannot be opened: " + std::strerror(errno), "is cgroup v2 mounted there?",
                kExitUsage);
  struct statfs info{};
  fs.real_ = ::fstatfs(fs.root_.get(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
  fs.handles_ = fs.real_;
  return fs;
}

// The kernel itself refuses what leads elsewhere, also what is renamed or linked meanwhile. glibc has no wrapper.
Fd CgroupFs::open(const std::string& path, std::uint64_t flags) const {
  open_how how{.flags = flags | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  return Fd(static_cast<int>(::syscall(SYS_openat2, root_.get(), path.c_str() + 1, &how, sizeof(how))));
}

Fd CgroupFs::walk(const std::string& path) const {
  errno = EINVAL;
  if (check_cgroup_path(path) != path) return {};
  return open(path == "/" ? "/." : path, O_PATH | O_DIRECTORY);
}

std::string CgroupFs::nearest(const std::string& path) const {
  std::size_t slash = path.rfind('/');
  std::string parent = path.substr(0, slash);
  auto siblings = folders_in(walk(parent.empty() ? "/" : parent).get(), kMostSiblings);
  std::vector<std::string_view> names(siblings.begin(), siblings.end());
  auto near = nearest_name(std::string_view(path).substr(slash + 1), names);
  return near.empty() ? "" : parent + "/" + std::string(near);
}

const CgroupFs::Known* CgroupFs::known(const std::string& path, Clock::time_point now) {
  auto it = known_.find(path);
  if (it == known_.end()) return nullptr;
  Known& known = it->second;
  if (now == Clock::time_point{} || known.seen != now) known.weight = number_in<std::uint32_t>(known.weight_file);
  known.seen = now;
  if (known.weight) return &known;
  known_.erase(it);
  return nullptr;
}

void CgroupFs::know(const std::string& path, CgroupId id, const Fd& folder) {
  if (!real_) return;  // a file of another file system can still be read when it has been deleted
  Fd file(::openat(folder.get(), "cpu.weight", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return;  // the root, or without the cpu controller
  if (known_.size() >= kMostKnown) known_.clear();
  known_.insert_or_assign(path, Known{.id = id, .weight_file = std::move(file)});
}

Result<CgroupPlace> CgroupFs::find(const std::string& path, Clock::time_point now) {
  if (const Known* here = known(path, now)) return CgroupPlace{.id = here->id, .path = path};
  Fd folder = walk(path);
  if (auto id = id_of(folder)) {
    know(path, *id, folder);
    return CgroupPlace{.id = *id, .path = path};
  }
  auto near = nearest(path);
  return fail(
      "no cgroup " + excerpt(path, 256) + " (looked for it in " + mount_ + ")",
      near.empty() ? "the cgroups there are are the folders in " + mount_ : "did you mean " + near + "?",
      kExitUsage);
}

Fd CgroupFs::open_by_handle(CgroupId id) {
  alignas(std::uint64_t) std::array<std::byte, sizeof(file_handle) + sizeof(std::uint64_t)> storage{};
  auto* handle = new (storage.data()) file_handle;
  handle->handle_bytes = sizeof(std::uint64_t);
  handle->handle_type = kHandleType;
  std::uint64_t number = raw(id);
  std::memcpy(storage.data() + sizeof(file_handle), &number, sizeof(number));
  Fd folder(::open_by_handle_at(root_.get(), handle, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder && (errno == EPERM || errno == EOPNOTSUPP)) handles_ = false;  // without CAP_DAC_READ_SEARCH
  return folder;
}

bool CgroupFs::removed(CgroupId id) {
  if (handles_) {
    bool there = static_cast<bool>(open_by_handle(id));
    if (there || handles_) return !there && errno == ESTALE;
  }
  auto known = paths_.find(raw(id));
  return known != paths_.end() && known->second.starts_with('/') && gone({.id = id, .path = known->second});
}

std::optional<std::string> CgroupFs::path_by_handle(CgroupId id) {
  Fd folder = open_by_handle(id);
  if (id_of(folder) != id) return std::nullopt;
  std::array<char, kLongestPath + 256> path;
  std::string link = "/proc/self/fd/" + std::to_string(folder.get());
  ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  std::string_view text(path.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  auto path_here = without_mount(text, mount_);  // none: out of sight of this mount
  if (path_here) path_here = check_cgroup_path(*path_here).value_or("");
  if (!path_here || path_here->empty()) return std::nullopt;
  return path_here;
}

void CgroupFs::walk_all() {
  std::vector<std::string> open{"/"};
  for (std::size_t seen = 0; !open.empty() && seen < kMostFolders; ++seen) {
    std::string path = std::move(open.back());
    open.pop_back();
    Fd folder = walk(path);
    if (auto id = id_of(folder)) paths_[raw(*id)] = path;
    for (const std::string& name : folders_in(folder.get(), kMostSiblings))
      open.push_back((path == "/" ? "" : path) + "/" + name);
  }
}

Result<CgroupPlace> CgroupFs::find(CgroupId id) {
  auto known = paths_.find(raw(id));
  if (known != paths_.end()) {
    if (id_of(walk(known->second)) == id) return CgroupPlace{.id = id, .path = known->second};
    paths_.erase(known);
  }
  if (handles_) {
    if (auto path = path_by_handle(id)) paths_[raw(id)] = *path;
  }
  auto now = std::chrono::steady_clock::now();
  if (!handles_ && (!real_ || now - walked_ >= kWalkEvery)) {
    walked_ = now;
    walk_all();
  }
  known = paths_.find(raw(id));
  if (known != paths_.end()) return CgroupPlace{.id = id, .path = known->second};
  return fail("no cgroup has the id " + std::to_string(raw(id)),
              "an id is the inode number of the cgroup's folder in " + mount_, kExitUsage);
}

Result<CgroupPlace> CgroupFs::find(Pid pid) {
  std::string process = "process " + std::to_string(raw(pid));
  std::ifstream file(proc_ + "/" + std::to_string(raw(pid)) + "/cgroup");
  if (!file) return fail("there is no " + process, "give the id of a process that runs");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::")) continue;
    auto path = check_cgroup_path(line.substr(3));
    if (!path) break;  // "/../..": outside of what this cgroup namespace shows
    return find(*path);
  }
  return fail("the cgroup of " + process + " is not in sight here", "give the cgroup's path");
}

// That no descriptor is left, for example, says nothing about the cgroup.
bool CgroupFs::gone(const CgroupPlace& place) const {
  Fd folder = walk(place.path);
  if (!folder) return errno == ENOENT || errno == ENOTDIR || errno == ENODEV || errno == EINVAL || errno == ELOOP;
  auto id = id_of(folder);
  return id && *id != place.id;
}

std::string CgroupFs::name(CgroupId id) {
  auto known = paths_.find(raw(id));
  if (known != paths_.end()) return known->second;
  std::string unknown = "id:" + std::to_string(raw(id));
  auto place = find(id);
  if (place) return place->path;
  paths_[raw(id)] = unknown;  // not looked for each second; find() will look again
  return unknown;
}

void CgroupFs::keep_names(std::span<const CgroupId> ids) {
  std::unordered_map<std::uint64_t, std::string> kept;
  for (CgroupId id : ids)
    if (auto known = paths_.extract(raw(id))) kept.insert(std::move(known));
  paths_ = std::move(kept);
  std::erase_if(known_, [](const auto& item) { return !number_in<std::uint32_t>(item.second.weight_file); });
}

std::optional<std::uint32_t> CgroupFs::cpu_weight(const std::string& path, Clock::time_point now) {
  if (const Known* here = known(path, now)) return here->weight;
  if (path == "/" || check_cgroup_path(path) != path) return std::nullopt;
  return number_in<std::uint32_t>(open(path + "/cpu.weight", kReading));
}

CgroupWeight CgroupFs::weight(const std::string& path) {
  if (path == "/" || check_cgroup_path(path) != path) return {};
  return {.weight = cpu_weight(path),
          .nice = number_in<std::int32_t>(open(path + "/cpu.weight.nice", kReading)),
          .idle = number_in<std::uint32_t>(open(path + "/cpu.idle", kReading)) == 1u};
}

bool CgroupFs::has_cpu_controller() const {
  std::string list = " " + text_of(open("/cgroup.controllers", kReading)).value_or("") + " ";
  std::ranges::replace(list, '\n', ' ');
  return list.find(" cpu ") != std::string::npos;
}

bool cpu_controller_on_v2() {
  auto mount = cgroup_mount();
  auto fs = mount ? CgroupFs::open(*mount) : Result<CgroupFs>(std::unexpected(mount.error()));
  return fs && fs->has_cpu_controller();
}

}  // namespace mus
