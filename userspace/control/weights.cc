// SPDX-License-Identifier: GPL-2.0-only
#include "control/weights.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "control/json_lines.h"
#include "control/protocol.h"
#include "exit_code.h"
#include "kernel/fd.h"

namespace mus {
namespace {

constexpr int kFileVersion = 1;
constexpr std::size_t kLargestFile = 16 << 20;

using Seconds = std::chrono::duration<double>;

double unix_seconds(std::chrono::system_clock::time_point at) {
  return Seconds(at.time_since_epoch()).count();
}

Result<std::string> read_all(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) return fail(path + ": " + std::strerror(errno), {}, errno == ENOENT ? kExitOk : kExitUsage);
  std::string text;
  std::array<char, 65536> chunk;
  while (text.size() < kLargestFile) {
    ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(path + ": " + std::strerror(errno));
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return fail(path + ": too large");
}

/// One entry of the file; none: not one that mus wrote.
std::optional<SetWeight> entry_of(const nlohmann::json& json, Moment now) {
  if (!json.is_object()) return std::nullopt;
  auto path = json.find("cgroup"), id = json.find("cgroup_id"), weight = json.find("weight"),
       until = json.find("until");
  auto end = json.end();
  if (path == end || !path->is_string() || id == end || !id->is_number_unsigned() || weight == end ||
      !weight->is_number_unsigned())
    return std::nullopt;
  auto clean = check_cgroup_path(path->get<std::string>());
  auto number = weight->get<std::uint64_t>();
  if (!clean || number < Weight::kMin || number > Weight::kMax) return std::nullopt;
  SetWeight entry{
      .id = CgroupId{id->get<std::uint64_t>()}, .path = *clean, .weight = static_cast<std::uint32_t>(number)};
  if (until == end) return entry;
  double left = until->is_number() ? until->get<double>() - unix_seconds(now.wall)
                                   : std::numeric_limits<double>::quiet_NaN();
  if (!std::isfinite(left)) return std::nullopt;
  // The clock may have been set back since: then it ends in a year at the latest, as any ttl does.
  left = std::clamp(left, -1.0, 31'536'000.0);
  entry.until = now.steady + std::chrono::duration_cast<std::chrono::steady_clock::duration>(Seconds(left));
  return entry;
}

}  // namespace

bool WeightStore::set(SetWeight entry) {
  if (entries_.size() >= kMost && !entries_.contains(entry.id)) return false;
  CgroupId id = entry.id;
  entries_.insert_or_assign(id, std::move(entry));
  changed_ = true;
  return true;
}

bool WeightStore::unset(CgroupId id) {
  bool was = entries_.erase(id) != 0;
  changed_ |= was;
  return was;
}

const SetWeight* WeightStore::find(CgroupId id) const {
  auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

std::vector<SetWeight> WeightStore::take_expired(Moment now) {
  std::vector<SetWeight> taken;
  std::erase_if(entries_, [&](const auto& item) {
    bool over = item.second.until && *item.second.until <= now.steady;
    if (over) taken.push_back(item.second);
    return over;
  });
  changed_ |= !taken.empty();
  return taken;
}

std::vector<SetWeight> WeightStore::take_gone(const std::function<bool(const SetWeight&)>& there,
                                              std::size_t at_once) {
  std::vector<SetWeight> taken;
  for (std::size_t i = std::min(at_once, entries_.size()); i > 0; --i) {
    auto it = entries_.upper_bound(looked_at_);
    if (it == entries_.end()) it = entries_.begin();
    looked_at_ = it->first;
    if (there(it->second)) continue;
    taken.push_back(std::move(it->second));
    entries_.erase(it);
  }
  changed_ |= !taken.empty();
  return taken;
}

std::vector<std::string> WeightStore::load(Moment now, const std::function<bool(const SetWeight&)>& there) {
  if (file_.empty()) return {};
  auto text = read_all(file_);
  if (!text) {
    if (text.error().exit_code == kExitOk) return {};  // there is none yet
    return {"the weights of the last run are not known: " + text.error().what};
  }
  auto json = nlohmann::json::parse(*text, nullptr, false);
  auto weights = json.is_object() ? json.find("weights") : json.end();
  if (!json.is_object() || json.value("version", nlohmann::json()) != kFileVersion || weights == json.end() ||
      !weights->is_array())
    return {"the weights of the last run are not known: " + file_ + " is not a state file of this version"};
  std::vector<std::string> notes;
  std::size_t strange = 0;
  for (const auto& item : *weights) {
    auto entry = entry_of(item, now);
    if (!entry) {
      ++strange;
    } else if (entry->until && *entry->until <= now.steady) {
      changed_ = true;  // its time came while nobody ran
    } else if (!there(*entry)) {
      notes.push_back("weight " + std::to_string(entry->weight) +
                      " of the last run was dropped: " + entry->path + " is gone or another cgroup now");
      changed_ = true;
    } else if (!set(std::move(*entry))) {
      ++strange;
    }
  }
  if (strange)
    notes.push_back(std::to_string(strange) + " entries of " + file_ + " were not understood and dropped");
  return notes;
}

std::string WeightStore::text(Moment now) const {
  Json list = Json::array();
  for (const auto& [id, entry] : entries_) {
    if (entry.by_option) continue;
    Json item{{"cgroup", entry.path}, {"cgroup_id", raw(id)}, {"weight", entry.weight}};
    if (entry.until) item["until"] = unix_seconds(now.wall) + Seconds(*entry.until - now.steady).count();
    list.push_back(std::move(item));
  }
  return to_line({{"version", kFileVersion}, {"weights", std::move(list)}});
}

Result<void> WeightStore::save(Moment now, bool at_once) {
  if (file_.empty() || (!at_once && (!changed_ || now.steady - saved_ < kSaveEvery))) return {};
  saved_ = now.steady;  // also if it fails: the next try waits
  std::string fresh = file_ + ".new", bytes = text(now);
  auto give_up = [&] {
    auto error = fail(file_ + " cannot be written: " + std::strerror(errno),
                      "choose another --state, or --state ''", kExitUsage);
    ::unlink(fresh.c_str());
    return error;
  };
  ::unlink(fresh.c_str());  // of a daemon that died while it wrote
  Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return give_up();
  for (std::string_view left = bytes; !left.empty();) {
    ssize_t wrote = ::write(file.get(), left.data(), left.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return give_up();
    left.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (::rename(fresh.c_str(), file_.c_str())) return give_up();
  changed_ = false;
  return {};
}

std::optional<std::chrono::steady_clock::time_point> WeightStore::save_due() const {
  if (!changed_ || file_.empty()) return std::nullopt;
  return saved_ + kSaveEvery;
}

std::optional<std::chrono::steady_clock::time_point> WeightStore::expiry_due() const {
  std::optional<std::chrono::steady_clock::time_point> due;
  for (const auto& [id, entry] : entries_)
    if (entry.until && (!due || *entry.until < *due)) due = entry.until;
  return due;
}

}  // namespace mus
