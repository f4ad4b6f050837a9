// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "fake_server.h"
#include "musctl/exit_code.h"
#include "musctl/fields.h"

namespace mus::ctl {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Ran {
  int code = 0;
  std::string out, err;
};

Ran run_musctl(std::vector<std::string> arguments, bool terminal = false) {
  std::ostringstream out, err;
  int code = run(arguments, out, err, terminal);
  return {code, out.str(), err.str()};
}

/// Against a server that answers as the document does, or as it is told.
struct Musctl : testing::Test {
  FakeServer server{answer_as_documented()};
  Ran operator()(std::vector<std::string> arguments, bool terminal = false) {
    arguments.insert(arguments.end(), {"--socket", server.path()});
    return run_musctl(arguments, terminal);
  }
};

TEST_F(Musctl, StatusIsReadable) {
  Ran ran = (*this)({"status"});
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("mode        userland: the policy decides\n"), HasSubstr("pid 812, up 1m21s"),
                    HasSubstr("0.8 % of a CPU"), HasSubstr("29.5 MiB"), HasSubstr("6.18.15"),
                    HasSubstr("tasks       known 93, running 2, held 3, queued 1"),
                    HasSubstr("decisions 82,113"), HasSubstr("refused     stale 2")));
  EXPECT_THAT(ran.out, Not(HasSubstr("\033")));
}

TEST_F(Musctl, ColoursOnlyATerminalThatWantsIt) {
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  EXPECT_THAT((*this)({"status"}, true).out, HasSubstr("\033[32muserland"));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_THAT((*this)({"status"}, true).out, Not(HasSubstr("\033")));
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  EXPECT_THAT((*this)({"status"}, true).out, Not(HasSubstr("\033")));
}

TEST_F(Musctl, StatsHasRatesAndCgroups) {
  Ran ran = (*this)({"stats"});
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("99.7 %"), HasSubstr("decided      3900.0"), HasSubstr("/redis"),
                             HasSubstr("400*"), HasSubstr("80.0"), HasSubstr("1580")));
}

TEST_F(Musctl, EveryCommandPrintsTheAnswerAsItCame) {
  auto answers = documented_answers();
  for (auto [arguments, command] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"hello"}, "hello"},
           {{"status"}, "status"},
           {{"stats"}, "stats"},
           {{"weight", "set", "/redis", "400"}, "weight.set"},
           {{"weight", "get", "/redis"}, "weight.get"},
           {{"weight", "list"}, "weight.list"},
           {{"weight", "unset", "/redis"}, "weight.unset"},
           {{"policy", "list"}, "policy.list"},
           {{"policy", "show"}, "policy.show"},
           {{"policy", "use", "fifo"}, "policy.use"}}) {
    arguments.push_back("--json");
    Ran ran = (*this)(arguments);
    EXPECT_EQ(ran.code, kExitOk) << command;
    EXPECT_EQ(ran.out, answers[command]) << command;
    EXPECT_EQ(ran.err, "") << command;
  }
}

TEST_F(Musctl, WeightSetSaysWhatChangedAndWhenItEnds) {
  Ran ran = (*this)({"weight", "set", "/redis", "400", "--for", "30s"});
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("/redis: 100 -> 400, ends in 30s ("));
  EXPECT_THAT(server.requests(),
              ElementsAre(Json{{"cmd", "weight.set"}, {"cgroup", "/redis"}, {"weight", 400}, {"ttl", 30.0}}));
}

TEST_F(Musctl, ARelativeWeightIsReadThenSet) {
  EXPECT_EQ((*this)({"weight", "set", "id:71", "-25%"}).code, kExitOk);
  EXPECT_EQ((*this)({"weight", "set", "pid:812", "x50"}).code, kExitOk);
  EXPECT_THAT(server.requests(), ElementsAre(Json{{"cmd", "weight.get"}, {"cgroup_id", 71}},
                                             Json{{"cmd", "weight.set"}, {"cgroup_id", 71}, {"weight", 300}},
                                             Json{{"cmd", "weight.get"}, {"pid", 812}},
                                             Json{{"cmd", "weight.set"}, {"pid", 812}, {"weight", 10000}}));
  EXPECT_THAT((*this)({"weight", "set", "/redis", "x50"}).err, HasSubstr("clamped to 10000"));
}

TEST_F(Musctl, WeightGetListAndUnset) {
  EXPECT_THAT((*this)({"weight", "get", "/redis"}).out,
              AllOf(HasSubstr("/redis (id 71)"), HasSubstr("400, set through mus, ends in 21.4s ("),
                    HasSubstr("80.0 %")));
  EXPECT_THAT((*this)({"weight", "list"}).out, HasSubstr("/redis  71     400         100  mus     21.3s\n"));
  EXPECT_THAT((*this)({"weight", "unset", "/redis"}).out, "/redis: 400 -> 100, from cpu.weight\n");
  EXPECT_EQ((*this)({"weight", "list", "--all"}).code, kExitOk);
  EXPECT_EQ(server.requests().back(), (Json{{"cmd", "weight.list"}, {"all", true}}));
}

TEST_F(Musctl, Policies) {
  EXPECT_THAT((*this)({"policy", "list"}).out, HasSubstr("vtime   yes     hierarchical weighted fair\n"));
  EXPECT_THAT((*this)({"policy", "show"}).out,
              AllOf(HasSubstr("vtime: hierarchical"), HasSubstr("slice-us   4000     4000  100..100000")));
  EXPECT_EQ((*this)({"policy", "use", "fifo", "--set", "slice-us=2000", "--set", "x=y"}).out,
            "policy: vtime -> fifo, 37 waiting tasks handed over\n");
  EXPECT_EQ(server.requests().back(),
            (Json{{"cmd", "policy.use"}, {"policy", "fifo"}, {"set", {{"slice-us", 2000}, {"x", "y"}}}}));
}

TEST_F(Musctl, HelloAndTopOnce) {
  EXPECT_THAT((*this)({"hello"}).out, HasSubstr("mus-userland 0.1.0, pid 812, protocol 1"));
  Ran top = (*this)({"top", "--once", "--interval", "0.5"});
  EXPECT_EQ(top.code, kExitOk) << top.err;
  EXPECT_THAT(top.out, AllOf(StartsWith("mus userland"), HasSubstr("/redis")));
  EXPECT_EQ(server.requests().back(), (Json{{"cmd", "subscribe"}, {"interval", 0.5}}));
  EXPECT_THAT((*this)({"top", "--once", "--json"}).out, StartsWith("{\"cgroups\""));
}

TEST(MusctlErrors, ARefusalIsShownWithFieldAndHint) {
  FakeServer server(
      [](const Json&) { return refuse("no_such_cgroup", "no cgroup /rdis", "cgroup", "/redis"); });
  Ran ran = run_musctl({"weight", "get", "/rdis", "--socket", server.path()});
  EXPECT_EQ(ran.code, kExitRefused);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "musctl: no cgroup /rdis (field 'cgroup') [no_such_cgroup]\n  did you mean /redis?\n");
  Ran json = run_musctl({"weight", "set", "/rdis", "+5%", "--json", "--socket", server.path()});
  EXPECT_EQ(json.code, kExitRefused);
  EXPECT_FALSE(Json::parse(json.out)["ok"].get<bool>());
}

TEST(MusctlErrors, AMisspeltWordIsAnsweredByTheNearest) {
  EXPECT_EQ(run_musctl({"statu"}).err, "musctl: unknown command 'statu'\n  did you mean musctl status?\n");
  EXPECT_THAT(run_musctl({"weight", "sett"}).err, HasSubstr("did you mean musctl weight set?"));
  EXPECT_THAT(run_musctl({"status", "--jsno"}).err, HasSubstr("did you mean --json?"));
  EXPECT_THAT(run_musctl({"top", "--intervall=2"}).err, HasSubstr("did you mean --interval?"));
  EXPECT_THAT(run_musctl({"weight", "xxxxxxxx"}).err, HasSubstr("there are: set, get, list, unset"));
  EXPECT_THAT(run_musctl({"hello", "you"}).err, HasSubstr("unexpected argument 'you'"));
}

TEST(MusctlErrors, WrongArgumentsAreSentNowhere) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"weight"},
                                             {"weight", "set"},
                                             {"weight", "set", "/a"},
                                             {"weight", "set", "/a", "0"},
                                             {"weight", "set", "/a", "-5"},
                                             {"weight", "set", "a", "5"},
                                             {"weight", "set", "/a", "5", "--for", "9"},
                                             {"policy", "use"},
                                             {"policy", "use", "x", "--set", "y"},
                                             {"policy", "use", "x", "--set", "y=1", "--set", "y=2"},
                                             {"top", "--interval", "0"},
                                             {"top", "--interval", "x"},
                                             {"--socket"},
                                             {"-x"}}) {
    Ran ran = run_musctl(arguments);
    EXPECT_EQ(ran.code, kExitUsage) << testing::PrintToString(arguments) << ran.err;
    EXPECT_THAT(ran.err, StartsWith("musctl: "));
    EXPECT_EQ(ran.out, "");
  }
}

TEST(MusctlErrors, TheExitCodeTellsWhoFailed) {
  EXPECT_EQ(run_musctl({"status", "--socket", "/nonexistent"}).code, kExitNoDaemon);
  FakeServer closes([](const Json&) { return std::string(); });
  EXPECT_EQ(run_musctl({"status", "--socket", closes.path()}).code, kExitConnection);
  FakeServer turns_away([](const Json&) { return refuse("not_permitted", "only root"); });
  EXPECT_EQ(run_musctl({"status", "--socket", turns_away.path()}).code, kExitNoDaemon);
}

TEST(MusctlErrors, AnAnswerWithoutFieldsIsNoFault) {
  FakeServer server([](const Json&) { return std::string("{\"ok\":true}\n"); });
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"hello"},
                                             {"status"},
                                             {"stats"},
                                             {"weight", "set", "/a", "5"},
                                             {"weight", "get", "/a"},
                                             {"weight", "list"},
                                             {"weight", "unset", "/a"},
                                             {"policy", "list"},
                                             {"policy", "show"},
                                             {"policy", "use", "x"}}) {
    auto with_socket = arguments;
    with_socket.insert(with_socket.end(), {"--socket", server.path()});
    EXPECT_EQ(run_musctl(with_socket).code, kExitOk) << testing::PrintToString(arguments);
  }
}

TEST(MusctlDoctor, NeedsNoDaemon) {
  Ran ran = run_musctl({"doctor", "--json", "--socket", "/nonexistent"});
  Json report = Json::parse(ran.out);
  EXPECT_EQ(ran.code, report["problems"] == 0 ? kExitOk : kExitRefused);
  EXPECT_EQ(report["ok"].get<bool>(), report["problems"] == 0);
  EXPECT_GT(report["checks"].size(), 10u);
  Ran text = run_musctl({"doctor", "--socket", "/nonexistent"});
  EXPECT_EQ(text.code, ran.code);
  EXPECT_THAT(text.out, HasSubstr("fix: start it as root: mus-userland"));
}

TEST(MusctlHelp, TeachesByExamples) {
  Ran help = run_musctl({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("Examples:"), HasSubstr("Exit codes:"), HasSubstr("MUS_SOCKET")));
  EXPECT_THAT(run_musctl({"weight", "set", "--help"}).out,
              AllOf(HasSubstr("+50%"), HasSubstr("--for DURATION")));
  EXPECT_THAT(run_musctl({"-V"}).out, StartsWith("musctl "));
}

TEST(MusctlHelp, TheSocketComesFromTheEnvironmentToo) {
  FakeServer server(answer_as_documented());
  ::setenv("MUS_SOCKET", server.path().c_str(), 1);
  Ran ran = run_musctl({"hello"});
  ::unsetenv("MUS_SOCKET");
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
}

}  // namespace
}  // namespace mus::ctl
