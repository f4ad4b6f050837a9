// SPDX-License-Identifier: GPL-2.0-only
// census: walks all threads of the machine, and compares what the kernel says of each with where the kernel half of mus believes it to be.
// census --lose PID: makes it believe that a task, which should be asleep, is held. --find PID: asleep again.
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr unsigned kThread = O_EXCL;  // PIDFD_THREAD, Linux 6.9
constexpr int kLooks = 200;           // at a thread that seems wrong: it may be on its way
constexpr auto kBetween = std::chrono::milliseconds(1);
constexpr std::array kStates{"asleep", "held", "queued", "resumed", "local", "kernel", "running"};  // enum mus_state
constexpr int kFieldState = 3, kFieldPolicy = 41;  // proc(5), /proc/PID/stat

/// The beginning of struct task_ctx in bpf/state.bpf.h; the map says how long all of it is.
struct Context {
  std::uint64_t generation, at;
};

struct Thread {
  int pid = 0;
  std::string name;
  bool wants_to_run = false;
  unsigned policy = 0;
};

int call(bpf_cmd command, bpf_attr& attr) { return static_cast<int>(::syscall(SYS_bpf, command, &attr, sizeof(attr))); }

/// The words of /proc/.../stat; the name, which may hold anything, is the second.
std::optional<Thread> read_stat(const std::string& path) {
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  auto open = text.find('('), close = text.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  Thread thread{.pid = std::atoi(text.c_str()), .name = text.substr(open + 1, close - open - 1)};
  const char* at = text.c_str() + close + 1;
  for (int field = kFieldState; *at; ++field) {
    while (*at == ' ') ++at;
    if (field == kFieldState) thread.wants_to_run = *at == 'R';
    if (field == kFieldPolicy) thread.policy = static_cast<unsigned>(std::atoi(at));
    while (*at && *at != ' ') ++at;
  }
  return thread;
}

void for_each_entry(const std::string& folder, const std::function<void(const std::string&)>& each) {
  DIR* open = ::opendir(folder.c_str());
  if (!open) return;
  while (dirent* entry = ::readdir(open))
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') each(entry->d_name);
  ::closedir(open);
}

class Census {
 public:
  /// It is not pinned: of all maps in the kernel, the youngest that is it by name and kind.
  Census() {
    bpf_attr next{};
    while (call(BPF_MAP_GET_NEXT_ID, next) == 0) {
      bpf_attr attr{};
      attr.map_id = next.start_id = next.next_id;
      int fd = call(BPF_MAP_GET_FD_BY_ID, attr);
      if (fd < 0) continue;
      bpf_map_info info{};
      attr = {};
      attr.info.bpf_fd = static_cast<unsigned>(fd);
      attr.info.info_len = sizeof(info);
      attr.info.info = reinterpret_cast<std::uint64_t>(&info);
      if (call(BPF_OBJ_GET_INFO_BY_FD, attr) == 0 && info.type == BPF_MAP_TYPE_TASK_STORAGE && std::string_view(info.name) == "tasks") {
        std::swap(map_, fd);
        value_.resize(info.value_size);
      }
      ::close(fd);
    }
    if (value_.size() >= sizeof(Context)) return;
    std::fputs("census: the kernel half of mus is not there\n", stderr);
    std::exit(2);
  }

  /// What the kernel half has of a thread; none: nothing, or it is gone.
  std::optional<Context> context(int pid) {
    int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, kThread));
    if (fd < 0) return std::nullopt;
    bpf_attr attr{};
    attr.map_fd = static_cast<unsigned>(map_);
    attr.key = reinterpret_cast<std::uint64_t>(&fd);
    attr.value = reinterpret_cast<std::uint64_t>(value_.data());
    bool found = call(BPF_MAP_LOOKUP_ELEM, attr) == 0;
    ::close(fd);
    if (!found) return std::nullopt;
    return *reinterpret_cast<const Context*>(value_.data());
  }

  /// Says that it is elsewhere, which nothing but a test does.
  bool put(int pid, std::uint64_t at) {
    int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, kThread));
    if (fd < 0 || !context(pid)) return false;
    reinterpret_cast<Context*>(value_.data())->at = at;
    bpf_attr attr{};
    attr.map_fd = static_cast<unsigned>(map_);
    attr.key = reinterpret_cast<std::uint64_t>(&fd);
    attr.value = reinterpret_cast<std::uint64_t>(value_.data());
    attr.flags = BPF_EXIST;
    return call(BPF_MAP_UPDATE_ELEM, attr) == 0;
  }

  /// Empty: all is well with the thread, or it is gone; or else what is wrong, the same at each of many looks.
  std::string look_at(const std::string& stat) {
    std::string wrong;
    std::optional<Context> before;
    for (int look = 0; look < kLooks; ++look) {
      if (look) std::this_thread::sleep_for(kBetween);
      auto thread = read_stat(stat);
      if (!thread || !ours(*thread)) return {};
      auto now = context(thread->pid);
      std::string what = fault(*thread, now);
      bool moved = before && now && (before->at != now->at || before->generation != now->generation);
      if (what.empty() || moved) return {};
      wrong = std::to_string(thread->pid) + " (" + thread->name + "): " + what;
      before = now;
    }
    return wrong;
  }

  static bool ours(const Thread& thread) {  // SCHED_OTHER, BATCH, IDLE, EXT
    return thread.policy == 0 || thread.policy == 3 || thread.policy == 5 || thread.policy == 7;
  }

  static std::string fault(const Thread& thread, const std::optional<Context>& context) {
    if (!context) return "the kernel half does not know it";
    auto state = context->at & 0xff;
    if (state >= kStates.size()) return "it is in state " + std::to_string(state);
    if (thread.wants_to_run == (state != 0)) return {};
    return std::string(thread.wants_to_run ? "wants to run" : "sleeps") + ", and counts as " + kStates[state];
  }

 private:
  int map_ = -1;
  std::vector<char> value_;
};

}  // namespace

int main(int argc, char** argv) {
  Census census;
  if (argc > 1) {
    std::string what = argv[1];
    bool lose = what == "--lose";
    if (argc != 3 || !(lose || what == "--find")) return std::fprintf(stderr, "usage: census [--lose PID | --find PID]\n"), 2;
    if (census.put(std::atoi(argv[2]), lose ? 1 : 0)) return 0;
    return std::perror("census"), 2;
  }
  std::map<std::string, int> counted;
  int threads = 0, wrong = 0;
  for_each_entry("/proc", [&](const std::string& pid) {
    std::string folder = "/proc/" + pid + "/task";
    for_each_entry(folder, [&](const std::string& tid) {
      std::string fault = census.look_at(folder + "/" + tid + "/stat");
      ++threads;
      if (auto context = census.context(std::atoi(tid.c_str())); context && (context->at & 0xff) < kStates.size())
        ++counted[kStates[context->at & 0xff]];
      if (fault.empty()) return;
      ++wrong;
      std::printf("census: %s\n", fault.c_str());
    });
  });
  std::printf("census: %d threads, %d wrong;", threads, wrong);
  for (const auto& [state, n] : counted) std::printf(" %s %d", state.c_str(), n);
  std::printf("\n");
  return wrong ? 1 : 0;
}
