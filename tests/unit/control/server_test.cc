// SPDX-License-Identifier: GPL-2.0-only
#include "control/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <optional>
#include <thread>

#include "fakes/temp_folder.h"
#include "socket_client.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

/// Answers each line with "=line"; "later" when told to, before the next line; "free" when told to; "big N" with N bytes.
class Echo : public Service {
 public:
  explicit Echo(Server& server) : server_(server) {}
  Next on_line(RequestId request, std::string_view line) override {
    ++lines;
    last = request;
    if (line == "later" || line == "free") {
      late.push_back(request);
    } else if (line.starts_with("big ")) {
      server_.answer(request, std::string(std::stoul(std::string(line.substr(4))), 'x') + "\n");
    } else {
      server_.answer(request, "=" + std::string(line) + "\n");
    }
    return line == "later" ? Next::kWhenAnswered : Next::kAtOnce;
  }
  void on_closed(ClientId) override { ++closed; }
  std::string farewell(Reason reason) override {
    return "bye " + std::to_string(static_cast<int>(reason)) + "\n";
  }

  std::size_t lines = 0, closed = 0;
  RequestId last;
  std::vector<RequestId> late;

 private:
  Server& server_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() { server_.add(std::move(*Listener::open(path(), std::nullopt)), std::nullopt, echo_); }
  [[nodiscard]] std::string path() const { return folder_.path() / "sock"; }
  bool until(const std::function<bool()>& done) { return serve_until(server_, done); }
  void serve_for(std::chrono::milliseconds time) {
    (void)serve_until(server_, [] { return false; }, time);
  }

  fakes::TempFolder folder_;
  Server server_;
  Echo echo_{server_};
};

TEST_F(ServerTest, AnswersEachLineInOrder) {
  SocketClient client(path());
  client.send("a\nb\n\nc\n");
  ASSERT_TRUE(until([&] { return client.lines() == 4; }));
  EXPECT_EQ(client.read, "=a\n=b\n=\n=c\n");
}

TEST_F(ServerTest, WaitsForTheRestOfALine) {
  SocketClient client(path());
  for (char byte : std::string("slow")) {
    client.send(std::string_view(&byte, 1));
    serve_for(2ms);
  }
  EXPECT_EQ(client.lines(), 0u);
  client.send("\nhalf");
  ASSERT_TRUE(until([&] { return client.lines() == 1; }));
  EXPECT_EQ(client.read, "=slow\n");
}

TEST_F(ServerTest, AnAnswerThatIsLateHoldsBackTheNextOnes) {
  SocketClient client(path()), other(path());
  client.send("later\nafter\n");
  other.send("x\n");
  ASSERT_TRUE(until([&] { return other.lines() == 1 && echo_.late.size() == 1; }));
  serve_for(10ms);
  EXPECT_EQ(client.lines(), 0u);
  server_.answer(echo_.late[0], "=later\n");
  ASSERT_TRUE(until([&] { return client.lines() == 2; }));
  EXPECT_EQ(client.read, "=later\n=after\n");
}

TEST_F(ServerTest, AnswersInOrderWhatWasDoneOutOfOrder) {
  SocketClient client(path());
  client.send("free\nb\nfree\nfree\n");
  ASSERT_TRUE(until([&] { return echo_.lines == 4; }));
  EXPECT_TRUE(server_.tell(echo_.last.client, "event\n"));
  server_.answer(echo_.late[2], "=4\n");
  server_.answer(echo_.late[1], "=3\n");
  serve_for(5ms);
  EXPECT_EQ(client.lines(), 0u);
  server_.answer(echo_.late[0], "=1\n");
  server_.answer(echo_.late[0], "again\n");
  ASSERT_TRUE(until([&] { return client.lines() == 5; }));
  EXPECT_EQ(client.read, "=1\n=b\n=3\n=4\nevent\n");
}

TEST_F(ServerTest, LetsNoClientHaveTooManyUnansweredLines) {
  SocketClient client(path());
  std::string many;
  for (int i = 0; i < 500; ++i)
    many += "free\n";
  client.send(many);
  serve_for(200ms);  // within its rate
  EXPECT_EQ(echo_.lines, 256u);
  for (std::size_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(until([&] { return echo_.late.size() > i; })) << i;
    server_.answer(echo_.late[i], "=" + std::to_string(i) + "\n");
  }
  ASSERT_TRUE(until([&] { return client.lines() == 500; }));
}

TEST_F(ServerTest, IgnoresAnAnswerThatNobodyWaitsFor) {
  SocketClient client(path());
  client.send("a\n");
  ASSERT_TRUE(until([&] { return client.lines() == 1; }));
  server_.answer(echo_.last, "unasked\n");
  server_.answer({.client = echo_.last.client, .number = 1}, "not asked yet\n");
  server_.answer({.client = ClientId{999}, .number = 0}, "nobody\n");
  serve_for(5ms);
  EXPECT_EQ(client.lines(), 1u);
}

TEST_F(ServerTest, AnswersOneWhoHasSaidAllBeforeItCloses) {
  SocketClient client(path());
  client.send("a\nlater\nb\nhalf");
  client.end();
  ASSERT_TRUE(until([&] { return echo_.late.size() == 1; }));
  EXPECT_FALSE(client.closed());
  server_.answer(echo_.late[0], "=later\n");
  ASSERT_TRUE(until([&] { return client.closed(); }));
  EXPECT_EQ(client.read, "=a\n=later\n=b\n");
  EXPECT_EQ(echo_.closed, 1u);
}

TEST_F(ServerTest, DoesWhatOneAskedWhoDidNotStay) {
  {
    SocketClient client(path());
    client.send("a\nb\n");
  }
  ASSERT_TRUE(until([&] { return echo_.lines == 2 && server_.client_count() == 0; }));
}

TEST_F(ServerTest, ClosesOnALineThatIsTooLong) {
  SocketClient client(path());
  std::string line(1 << 20, 'x');
  std::size_t sent = 0;
  ASSERT_TRUE(until([&] {
    sent += client.send(std::string_view(line).substr(sent));
    return client.closed();
  }));
  EXPECT_EQ(client.read, "bye 2\n");
  EXPECT_LT(sent, line.size()) << "not read to its end";
  EXPECT_EQ(echo_.lines, 0u);
  ASSERT_TRUE(until([&] { return server_.client_count() == 0; }));
}

TEST_F(ServerTest, TakesTheLongestLineThatIsAllowed) {
  SocketClient client(path());
  std::string line = std::string((64 << 10) - 1, 'x') + "\n";
  std::size_t sent = 0;
  ASSERT_TRUE(until([&] {
    sent += client.send(std::string_view(line).substr(sent));
    return client.lines() == 1;
  }));
  EXPECT_EQ(client.read.size(), line.size() + 1);
}

TEST_F(ServerTest, TurnsAwayWhoIsTooMany) {
  std::list<SocketClient> clients;
  auto connected = [&](std::size_t want) {
    while (clients.size() < want) {
      clients.emplace_back(path());
      if (!clients.back().connected()) {  // the queue of the listener is full: it has to look first
        clients.pop_back();
        return false;
      }
    }
    return true;
  };
  ASSERT_TRUE(until([&] { return connected(500); }));
  auto turned_away = [&] {
    return std::ranges::count_if(clients, [](SocketClient& client) { return client.closed() && client.read == "bye 0\n"; });
  };
  EXPECT_TRUE(until([&] { return turned_away() == 500 - 64; })) << turned_away();
  serve_for(20ms);
  EXPECT_EQ(server_.client_count(), 64u);
  EXPECT_EQ(turned_away(), 500 - 64);
  clients.front().send("x\n");
  EXPECT_TRUE(until([&] { return clients.front().lines() == 1; })) << "who was there first is served";
  clients.pop_front();
  SocketClient next(path());
  next.send("y\n");
  EXPECT_TRUE(until([&] { return next.lines() == 1; })) << "room comes back";
}

TEST_F(ServerTest, HoldsNoMoreThanItsBoundForOneWhoDoesNotRead) {
  SocketClient client(path()), other(path());
  std::string asks;
  for (int i = 0; i < 1000; ++i)
    asks += "big 1000\n";
  client.send(asks);
  ASSERT_TRUE(until([&] { return echo_.lines > 200; }));
  serve_for(600ms);
  std::size_t handled = echo_.lines;
  EXPECT_LT(handled, 800u) << "what is not read is not made";
  other.send("x\n");
  EXPECT_TRUE(until([&] { return other.lines() == 1; }));
  EXPECT_TRUE(until([&] { return client.lines() == 1000; })) << "and when it reads, it gets everything";
}

TEST_F(ServerTest, TellsUnlessOneReadsTooSlowly) {
  SocketClient client(path());
  client.send("x\n");
  ASSERT_TRUE(until([&] { return client.lines() == 1; }));
  ClientId id = echo_.last.client;
  server_.set_subscribed(id, true);
  std::string line = std::string(100 << 10, 'e') + "\n";
  std::size_t told = 0;
  while (server_.tell(id, line))
    ASSERT_LT(++told, 20u);
  EXPECT_GE(told, 2u);
  EXPECT_TRUE(until([&] { return client.lines() == 1 + told; }));
  EXPECT_TRUE(server_.tell(id, line)) << "it has caught up";
}

TEST_F(ServerTest, ASubscriberStaysThoughItSaysNothingMore) {
  auto client = std::make_optional<SocketClient>(path());
  client->send("x\n");
  ASSERT_TRUE(until([&] { return client->lines() == 1; }));
  server_.set_subscribed(echo_.last.client, true);
  client->end();
  serve_for(20ms);
  EXPECT_TRUE(server_.tell(echo_.last.client, "event\n"));
  ASSERT_TRUE(until([&] { return client->lines() == 2; }));
  client.reset();
  EXPECT_TRUE(server_.tell(echo_.last.client, "into the void\n"));
  EXPECT_TRUE(until([&] { return server_.client_count() == 0; }));
}

TEST_F(ServerTest, ReadsNoFasterThanTheRate) {
  SocketClient client(path());
  std::string asks;
  for (int i = 0; i < 20000; ++i)
    asks += "x\n";
  std::size_t sent = 0;
  auto begin = Server::Clock::now();
  while (Server::Clock::now() - begin < 500ms) {
    sent += client.send(std::string_view(asks).substr(sent));
    client.look();
    serve_for(1ms);
  }
  double seconds = std::chrono::duration<double>(Server::Clock::now() - begin).count();
  EXPECT_LE(static_cast<double>(echo_.lines), 200 + 1800 * seconds + 32);
  EXPECT_GE(echo_.lines, 200u);
}

TEST_F(ServerTest, OneWhoAsksAsFastAsItCanDoesNotKeepOthersWaiting) {
  SocketClient greedy(path()), modest(path());
  std::string asks;
  for (int i = 0; i < 50000; ++i)
    asks += "x\n";
  std::size_t sent = 0;
  for (std::size_t round = 1; round <= 20; ++round) {
    modest.send("y\n");
    ASSERT_TRUE(until([&] {
      sent += greedy.send(std::string_view(asks).substr(sent));
      greedy.look();
      return modest.lines() == round;
    }));
  }
}

// Two hundred at once, from other threads: whatever they send, each is answered or turned away.
TEST_F(ServerTest, ACrowd) {
  std::atomic<std::size_t> done = 0, answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        SocketClient client(path());
        client.send(t % 2 ? "half" : "x\n");
        for (int look = 0; t % 2 == 0 && look < 1000 && !client.lines() && !client.closed(); ++look)
          std::this_thread::sleep_for(1ms);
        answered += client.lines() != 0;
        ++done;
      }
    });
  bool all = serve_until(server_, [&] { return done == 200 && server_.client_count() == 0; }, 60s);
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_TRUE(all);
  EXPECT_GE(answered, 50u);
}

TEST_F(ServerTest, SurvivesThatNoDescriptorIsLeft) {
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  SocketClient first(path()), second(path());
  std::vector<Fd> hoard;
  for (Fd fd(::dup(0)); fd; fd = Fd(::dup(0))) {
    hoard.push_back(std::move(fd));
    if (hoard.size() > 100000) GTEST_SKIP() << "descriptors do not run out here";
    if (hoard.size() == 1) {
      rlimit few{.rlim_cur = static_cast<rlim_t>(hoard[0].get()) + 1, .rlim_max = before.rlim_max};
      ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    }
  }
  auto begin = Server::Clock::now();
  std::vector<pollfd> polled;
  server_.fill(polled, begin);
  ::poll(polled.data(), polled.size(), 1000);
  server_.serve(polled, begin);
  EXPECT_EQ(server_.client_count(), 0u);
  polled.clear();
  server_.fill(polled, begin);
  EXPECT_TRUE(polled.empty()) << "not asked for again at once";
  EXPECT_NE(server_.timeout(begin), std::nullopt);
  hoard.clear();
  ::setrlimit(RLIMIT_NOFILE, &before);
  first.send("x\n");
  EXPECT_TRUE(until([&] { return first.lines() == 1; }));
}

TEST_F(ServerTest, AnswersMayGatherForWhoSendsFastAndForNobodyElse) {
  auto now = Server::Clock::now();
  std::vector<pollfd> polled;
  auto serve = [&](std::string_view line, SocketClient& client) {
    client.send(line);
    now += 1ms;
    polled.clear();
    server_.fill(polled, now);
    ::poll(polled.data(), polled.size(), 0);
    server_.serve(polled, now);
  };
  SocketClient client(path());
  serve("", client);
  EXPECT_FALSE(server_.answers_may_gather(now)) << "nobody waits";
  serve("free\n", client);
  EXPECT_FALSE(server_.answers_may_gather(now)) << "one line is waited for";
  serve("free\n", client);
  EXPECT_TRUE(server_.answers_may_gather(now));
  EXPECT_FALSE(server_.answers_may_gather(now + Gathering::kFor));
  ASSERT_NE(server_.timeout(now), std::nullopt);
  EXPECT_LE(*server_.timeout(now), Gathering::kFor) << "it is looked at again by then";

  SocketClient other(path());
  serve("", other);
  serve("later\n", other);
  EXPECT_FALSE(server_.answers_may_gather(now)) << "another waits for each answer";
  for (RequestId late : echo_.late) server_.answer(late, "=\n");
  EXPECT_FALSE(server_.answers_may_gather(now));
}

}  // namespace
}  // namespace mus
