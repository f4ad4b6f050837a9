// SPDX-License-Identifier: GPL-2.0-only
// A server with the real commands behind it, and a client that sends nonsense made from a seed.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "commands_fixture.h"
#include "fakes/seed.h"
#include "socket_client.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLines = 100'000;

/// Requests, nearly: whole ones, then bent at random.
class Nonsense {
 public:
  explicit Nonsense(std::uint64_t seed) : random_(seed) {}

  std::string line() {
    static constexpr std::array<std::string_view, 14> kWhole{
        R"({"cmd":"hello","tag":1})",
        R"({"cmd":"weight.set","cgroup":"/redis","weight":400,"ttl":0.5})",
        R"({"cmd":"weight.set","cgroup_id":3,"weight":1})",
        R"({"cmd":"weight.get","cgroup":"/redis"})",
        R"({"cmd":"weight.get","pid":1})",
        R"({"cmd":"weight.list","all":true})",
        R"({"cmd":"weight.unset","cgroup":"/web"})",
        R"({"cmd":"policy.list"})",
        R"({"cmd":"policy.show","policy":"fifo"})",
        R"({"cmd":"policy.use","policy":"vtime","set":{"slice-us":2000}})",
        R"({"cmd":"status"})",
        R"({"cmd":"stats"})",
        R"({"cmd":"subscribe","interval":60})",
        R"({"cmd":"unsubscribe"})"};
    static constexpr std::array<std::string_view, 16> kBits{
        "\"",   "{",     "}",      "[[[[[[",   "null",
        "-1",   "1e400", "0.0001", "\xff",     "\\u0000",
        "/../", ",",     ":",      "\"cmd\":", "18446744073709551616",
        "\\"};
    std::string line(kWhole[below(kWhole.size())]);
    for (std::size_t changes = below(4); changes > 0; --changes) {
      std::size_t at = below(line.size() + 1);
      switch (below(4)) {
        case 0:
          line.insert(at, kBits[below(kBits.size())]);
          break;
        case 1:
          line.erase(at, below(8));
          break;
        case 2:
          line.insert(at, line.substr(below(line.size() + 1), below(40)));
          break;
        default:
          line.insert(at, 1, static_cast<char>(below(256)));
          break;
      }
    }
    std::erase(line, '\n');
    return line + "\n";
  }
  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  std::mt19937_64 random_;
};

class FuzzedServer : public CommandsTest {
 protected:
  FuzzedServer() : server_({.lines_per_s = 100'000'000, .total_per_s = 100'000'000}) {
    DaemonFacts facts{.version = "0.1.0",
                      .kernel = "6.18",
                      .pid = 812,
                      .cpus = 2,
                      .config = {},
                      .policy = "vtime",
                      .settings = {},
                      .notes = {},
                      .started = now_.steady};
    commands_.emplace(facts, port_, &*fs_, store_, shelf_, server_);
    server_.add(std::move(*Listener::open(path(), std::nullopt)), std::nullopt, *commands_);
  }
  [[nodiscard]] std::string path() const { return folder_.path() / "sock"; }
  /// As the daemon's loop does; the scheduler thread takes everything at once, and retires the policies.
  void work() {
    port_.obey();
    for (Reply& reply : port_.replies)
      for (const Command& command : port_.obeyed)
        if (command.ticket == reply.ticket && command.policy) reply.retired = command.policy;
    port_.obeyed.clear();
    Moment now = Moment::now();
    commands_->replies(now);
    commands_->tick(now);
  }

  Server server_;
};

TEST_F(FuzzedServer, EachLineHasOneAnswerThatIsOneObject) {
  port_.publish(1s);
  port_.group(id("/redis")) = {
      .id = id("/redis"), .parent = CgroupId{1}, .depth = 1, .weight = 100, .runnable = 1, .promised = 0.5};
  for (std::uint64_t seed : fakes::seeds(1)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    std::printf("MUS_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    Nonsense nonsense(seed);
    SocketClient client(path());
    std::string unsent;
    std::size_t sent = 0, answers = 0, good = 0, malformed = 0;
    bool all = serve_until(
        server_,
        [&] {
          work();
          while (sent < kLines && unsent.size() < 30000) {
            unsent += nonsense.line();
            ++sent;
          }
          unsent.erase(0, client.send(std::string_view(unsent).substr(0, 1 + nonsense.below(8000))));
          client.look();
          std::size_t end = 0;
          for (std::size_t next; (next = client.read.find('\n', end)) != std::string::npos; end = next + 1) {
            Json answer = Json::parse(std::string_view(client.read).substr(end, next - end), nullptr, false);
            if (answer.contains("event")) continue;
            ++answers;
            malformed += !answer.contains("ok") || answer["ok"] == answer.contains("error");
            good += answer.contains("ok") && answer["ok"] == true;
          }
          client.read.erase(0, end);
          return answers >= kLines || client.closed();
        },
        100s);
    EXPECT_TRUE(all);
    EXPECT_EQ(answers, kLines);
    EXPECT_EQ(malformed, 0u);
    EXPECT_GT(good, kLines / 10) << "the generator makes good requests too";
    EXPECT_LT(good, kLines * 9 / 10);
  }
}

TEST_F(FuzzedServer, BytesThatAreNoLinesDoNoHarm) {
  for (std::uint64_t seed : fakes::seeds(3)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    SocketClient client(path());
    std::size_t sent = 0;
    (void)serve_until(server_, [&] {
      std::string bytes(4096, '\0');
      for (char& byte : bytes)
        byte = static_cast<char>(random());
      sent += client.send(bytes);
      return client.closed() || sent > 300'000;
    });
    SocketClient next(path());
    next.send("{\"cmd\":\"hello\"}\n");
    EXPECT_TRUE(serve_until(server_, [&] { return next.lines() == 1; }));
  }
}

}  // namespace
}  // namespace mus
