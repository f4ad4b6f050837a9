// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/doctor/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mus::ctl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using enum Finding::State;

const std::string kConfig =
    "CONFIG_SCHED_CLASS_EXT=y\nCONFIG_EXT_GROUP_SCHED=y\nCONFIG_BPF_SYSCALL=y\nCONFIG_BPF_JIT=y\nCONFIG_DEBUG_INFO_BTF=y\n";
const std::string kSocket = "/var/run/scx/mus/control.sock";

/// A machine on which everything is well, in a temporary folder; tests break one thing each.
struct Doctor : testing::Test {
  fs::path root;
  Machine machine;

  Doctor() {
    std::string name = "/tmp/mus-test-XXXXXX";
    root = ::mkdtemp(name.data());
    machine = Machine(root);
    put("/proc/sys/kernel/osrelease", "6.18.15+deb13-cloud-amd64\n");
    put("/proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\nbpf /sys/fs/bpf bpf rw 0 0\n");
    put("/proc/self/status", "Name:\tmusctl\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
    put("/proc/self/uid_map", "         0          0 4294967295\n");
    put("/proc/self/limits", "Max locked memory         8388608              8388608              bytes\n");
    put("/proc/self/cgroup", "0::/user.slice\n");
    put("/proc/812/comm", "mus-userland\n");
    put("/proc/9/comm", "mus-userland-x\n");
    put("/sys/kernel/sched_ext/state", "disabled\n");
    put("/sys/kernel/btf/vmlinux", "BTF");
    put("/sys/devices/system/cpu/online", "0-3\n");
    put("/sys/devices/system/cpu/possible", "0-7\n");
    put("/sys/devices/system/cpu/isolated", "\n");
    put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n");
    put("/sys/fs/cgroup/cgroup.subtree_control", "cpu memory\n");
    put("/boot/config-6.18.15+deb13-cloud-amd64", kConfig);
    put(kSocket, "");
  }
  ~Doctor() override {
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
  void put(const std::string& path, const std::string& text) {
    fs::create_directories(machine.at(path).parent_path());
    std::ofstream(machine.at(path)) << text;
  }
  void take_away(const std::string& path) { fs::remove_all(machine.at(path)); }
  void release(const std::string& name) { put("/proc/sys/kernel/osrelease", name + "\n"); }
};

TEST_F(Doctor, FindsNothingOnAGoodMachine) {
  for (const Finding& found : examine(machine, kSocket)) {
    EXPECT_EQ(found.state, kOk) << found.name << ": " << found.text;
    EXPECT_EQ(found.fix, "") << found.name;
  }
}

TEST_F(Doctor, HasAFixForWhateverIsWrong) {
  Machine nothing(root / "empty");
  for (const Finding& found : examine(nothing, kSocket)) {
    EXPECT_FALSE(found.text.empty()) << found.name;
    EXPECT_EQ(found.state == kOk, found.fix.empty()) << found.name;
  }
}

TEST_F(Doctor, KnowsKernels) {
  release("6.1.0-37-amd64");
  EXPECT_EQ(check_kernel_release(machine).state, kProblem);
  release("6.12.5");
  EXPECT_EQ(check_kernel_release(machine).state, kWarning);
  release("7.2.9+deb14-amd64");
  EXPECT_EQ(check_kernel_release(machine).state, kProblem);
  EXPECT_THAT(check_kernel_release(machine).fix, HasSubstr("7.2.13"));
  release("7.2.13+deb14-amd64");
  EXPECT_EQ(check_kernel_release(machine).state, kOk);
  release("7.1.3-arch1");  // somebody else's 7.1 is not Debian's
  EXPECT_EQ(check_kernel_release(machine).state, kOk);
  release("nonsense");
  EXPECT_EQ(check_kernel_release(machine).state, kWarning);
}

TEST_F(Doctor, MissesSchedExtAndBtf) {
  take_away("/sys/kernel/sched_ext");
  take_away("/sys/kernel/btf");
  EXPECT_EQ(check_sched_ext(machine).state, kProblem);
  EXPECT_EQ(check_btf(machine).state, kProblem);
}

TEST_F(Doctor, ReadsTheConfiguration) {
  const std::string config = "/boot/config-6.18.15+deb13-cloud-amd64";
  put(config,
      "CONFIG_SCHED_CLASS_EXT=y\nCONFIG_BPF_SYSCALL=y\nCONFIG_BPF_JIT=y\nCONFIG_DEBUG_INFO_BTF=y\n# CONFIG_EXT_GROUP_SCHED is not set\n");
  EXPECT_EQ(check_kernel_config(machine).state, kWarning);
  EXPECT_THAT(check_kernel_config(machine).text, HasSubstr("EXT_GROUP_SCHED"));
  put(config, "CONFIG_BPF_SYSCALL=y\n");
  EXPECT_EQ(check_kernel_config(machine).state, kProblem);
  take_away(config);
  EXPECT_EQ(check_kernel_config(machine).state, kWarning);
  gzFile packed = ::gzopen(machine.at("/proc/config.gz").c_str(), "wb");
  ::gzputs(packed, kConfig.c_str());
  ::gzclose(packed);
  EXPECT_EQ(check_kernel_config(machine).state, kOk);
}

TEST_F(Doctor, SeesAnotherScheduler) {
  put("/sys/kernel/sched_ext/state", "enabled\n");
  put("/sys/kernel/sched_ext/root/ops", "lavd_1.0\n");
  EXPECT_EQ(check_scheduler(machine).state, kProblem);
  EXPECT_THAT(check_scheduler(machine).text, HasSubstr("lavd_1.0 (enabled)"));
  put("/sys/kernel/sched_ext/root/ops", "mus\n");
  EXPECT_EQ(check_scheduler(machine).state, kOk);
}

TEST_F(Doctor, CountsCpus) {
  EXPECT_EQ(check_cpus(machine).text, "4 CPUs on line, 8 possible");
  put("/sys/devices/system/cpu/online", "0\n");
  EXPECT_EQ(check_cpus(machine).state, kWarning);
  put("/sys/devices/system/cpu/online", "0-1,4,6-7\n");
  EXPECT_THAT(check_cpus(machine).text, HasSubstr("5 CPUs"));
  put("/sys/devices/system/cpu/isolated", "2-3\n");
  EXPECT_THAT(check_cpus(machine).text, HasSubstr("isolated from scheduling: 2-3"));
}

TEST_F(Doctor, LooksAtCgroups) {
  put("/sys/fs/cgroup/cgroup.subtree_control", "memory cpuset\n");
  EXPECT_EQ(check_cpu_controller(machine).fix, "echo +cpu > /sys/fs/cgroup/cgroup.subtree_control");
  put("/sys/fs/cgroup/cgroup.controllers", "memory\n");
  EXPECT_THAT(check_cpu_controller(machine).text, HasSubstr("not available"));
  put("/proc/self/mounts",
      "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
  EXPECT_EQ(check_cgroup_v2(machine).state, kWarning);
  EXPECT_THAT(check_cgroup_v2(machine).text, HasSubstr("hybrid"));
  EXPECT_THAT(check_cpu_controller(machine).text, HasSubstr("cgroup v1"));
  put("/proc/self/mounts", "");
  EXPECT_EQ(check_cgroup_v2(machine).state, kProblem);
  EXPECT_EQ(check_bpffs(machine).state, kWarning);
}

TEST_F(Doctor, LooksAtPrivileges) {
  put("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n");
  EXPECT_EQ(check_privileges(machine).state, kWarning);
  EXPECT_EQ(check_memlock(machine).state, kWarning);
  put("/proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n");  // Docker's default
  EXPECT_EQ(check_privileges(machine).state, kProblem);
  EXPECT_THAT(check_privileges(machine).text, HasSubstr("CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN"));
  put("/proc/self/uid_map", "0 100000 65536\n");
  EXPECT_THAT(check_privileges(machine).text, HasSubstr("user namespace"));
  put("/proc/self/limits", "Max locked memory         unlimited            unlimited            bytes\n");
  EXPECT_EQ(check_memlock(machine).state, kOk);
}

TEST_F(Doctor, SeesContainersAndLockdown) {
  put("/run/.containerenv", "");
  EXPECT_EQ(check_container(machine).state, kWarning);
  put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  EXPECT_EQ(check_lockdown(machine).state, kOk);
  put("/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
  EXPECT_EQ(check_lockdown(machine).state, kProblem);
}

TEST_F(Doctor, SeesTheDaemon) {
  EXPECT_THAT(check_daemon(machine, kSocket).text, HasSubstr("pid 812"));
  EXPECT_EQ(check_daemon(machine, "/elsewhere").state, kWarning);
  take_away("/proc/812");
  EXPECT_THAT(check_daemon(machine, kSocket).text, HasSubstr("not seen running"));
  take_away(kSocket);
  EXPECT_EQ(check_daemon(machine, kSocket).fix, "start it as root: mus-userland");
}

}  // namespace
}  // namespace mus::ctl
