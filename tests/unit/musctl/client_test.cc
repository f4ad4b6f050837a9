// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fake_server.h"
#include "musctl/exit_code.h"

namespace mus::ctl {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(Client, AsksAndIsAnswered) {
  FakeServer server(answer_as_documented());
  auto client = Client::connect(server.path());
  ASSERT_TRUE(client);
  for (const auto& [command, answer] : documented_answers()) {
    auto message = client->ask({{"cmd", command}});
    ASSERT_TRUE(message) << command;
    EXPECT_FALSE(message->refused()) << command;
    EXPECT_EQ(message->line + "\n", answer.substr(0, answer.find('\n') + 1));
  }
}

TEST(Client, PassesOverEventsToTheAnswer) {
  FakeServer server([](const Json& request) {
    return request["cmd"] == "subscribe"
               ? std::string("{\"ok\":true}\n{\"event\":\"stats\"}\n{\"event\":\"stats\"}\n")
               : std::string("{\"ok\":true,\"x\":1}\n");
  });
  auto client = Client::connect(server.path());
  ASSERT_TRUE(client->ask({{"cmd", "subscribe"}}));
  auto answer = client->ask({{"cmd", "other"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body["x"], 1);
}

TEST(Client, PutsALineTogetherFromPieces) {
  std::string big(300'000, 'x');
  FakeServer server([&](const Json&) { return "{\"ok\":true,\"big\":\"" + big + "\"}\n"; });
  auto client = Client::connect(server.path());
  auto answer = client->ask({{"cmd", "x"}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body["big"].get<std::string>().size(), big.size());
}

TEST(Client, SaysThatThereIsNoDaemon) {
  auto client = Client::connect("/nonexistent/control.sock");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().exit_code, kExitNoDaemon);
  EXPECT_THAT(client.error().message(), HasSubstr("start it as root: mus-userland"));
}

TEST(Client, SaysThatNobodyListens) {
  std::string path;
  {
    FakeServer server(answer_as_documented());
    path = server.path();
  }
  EXPECT_EQ(Client::connect(path).error().exit_code, kExitNoDaemon);
  EXPECT_EQ(Client::connect(std::string(200, 'x')).error().exit_code, kExitUsage);
  EXPECT_EQ(Client::connect("").error().exit_code, kExitUsage);
}

TEST(Client, SaysThatTheConnectionWasLost) {
  FakeServer server([](const Json&) { return std::string(); });
  auto client = Client::connect(server.path());
  auto answer = client->ask({{"cmd", "status"}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().exit_code, kExitConnection);
  EXPECT_THAT(answer.error().what, HasSubstr("lost"));
  EXPECT_FALSE(client->ask({{"cmd", "status"}}));  // and again, without SIGPIPE
}

TEST(Client, DoesNotWaitForEver) {
  FakeServer server([](const Json&) { return std::string("{\"ok\":tr"); });
  auto client = Client::connect(server.path());
  auto answer = client->ask({{"cmd", "status"}}, milliseconds(50));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().exit_code, kExitConnection);
  EXPECT_THAT(answer.error().what, HasSubstr("not answered"));
}

TEST(Client, RefusesWhatIsNoProtocol) {
  for (const char* line : {"HTTP/1.1 400 Bad Request\r\n", "[]\n", "7\n", "\n", "{\"ok\":true\n", "\xff\n"}) {
    FakeServer server([&](const Json&) { return std::string(line); });
    auto client = Client::connect(server.path());
    auto answer = client->ask({{"cmd", "status"}});
    ASSERT_FALSE(answer) << line;
    EXPECT_EQ(answer.error().exit_code, kExitConnection);
  }
}

TEST(Refusal, HasMessageFieldCodeAndHint) {
  Json answer = Json::parse(refuse("bad_value", "a weight is 1..10000", "weight", "give a number"));
  EXPECT_EQ(refusal(answer).what, "a weight is 1..10000 (field 'weight') [bad_value]");
  EXPECT_EQ(refusal(answer).remedy, "give a number");
  EXPECT_EQ(refusal(answer).exit_code, kExitRefused);
  EXPECT_EQ(refusal(Json::parse(refuse("no_such_policy", "no", "", "vtime"))).remedy, "did you mean vtime?");
}

TEST(Refusal, OfTheConnectionIsNotOfTheCommand) {
  EXPECT_EQ(refusal(Json::parse(refuse("not_permitted", "no"))).exit_code, kExitNoDaemon);
  EXPECT_THAT(refusal(Json::parse(refuse("not_permitted", "no"))).remedy, HasSubstr("--socket-group"));
  EXPECT_EQ(refusal(Json::parse(refuse("too_many_clients", "no"))).exit_code, kExitNoDaemon);
}

TEST(Refusal, IsReadFromWhateverCame) {
  EXPECT_EQ(refusal(Json{{"ok", false}}).exit_code, kExitRefused);
  EXPECT_EQ(refusal(Json{{"error", {{"code", 7}, {"message", nullptr}}}}).exit_code, kExitRefused);
}

}  // namespace
}  // namespace mus::ctl
