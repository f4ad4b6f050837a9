// SPDX-License-Identifier: GPL-2.0-only
#include "fake_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mus::ctl {

using nlohmann::json;

FakeServer::FakeServer(Answer answer) : answer_(std::move(answer)) {
  std::string name = "/tmp/mus-test-XXXXXX";
  folder_ = ::mkdtemp(name.data());
  path_ = folder_ + "/control.sock";
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::ranges::copy(path_, address.sun_path);
  listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(listener_.get(), 8), 0);
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  stop_read_ = Fd(ends[0]);
  stop_write_ = Fd(ends[1]);
  thread_ = std::thread([this] { serve(); });
}

FakeServer::~FakeServer() {
  {
    Fd closed(std::move(stop_write_));
  }
  thread_.join();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<json> FakeServer::requests() const {
  std::scoped_lock lock(mutex_);
  return requests_;
}

void FakeServer::serve() {
  while (true) {
    std::array fds{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_read_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[1].revents) return;
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) serve_client(client.get());
  }
}

void FakeServer::serve_client(int client) {
  std::string unread;
  while (true) {
    std::array fds{pollfd{client, POLLIN, 0}, pollfd{stop_read_.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[1].revents) return;
    std::array<char, 4096> buffer{};
    ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
    if (got <= 0) return;
    unread.append(buffer.data(), static_cast<std::size_t>(got));
    for (auto end = unread.find('\n'); end != std::string::npos; end = unread.find('\n')) {
      json request = json::parse(unread.substr(0, end), nullptr, false);
      unread.erase(0, end + 1);
      {
        std::scoped_lock lock(mutex_);
        requests_.push_back(request);
      }
      std::string reply = answer_(request);
      if (reply.empty()) return;
      ::send(client, reply.data(), reply.size(), MSG_NOSIGNAL);
    }
  }
}

std::map<std::string, std::string> documented_answers() {
  std::ifstream document(MUS_SOURCE_DIR "/docs/control_protocol.md");
  EXPECT_TRUE(document) << "docs/control_protocol.md is not there";
  std::map<std::string, std::string> answers;
  std::string command, text;
  for (std::string line; std::getline(document, line);) {
    // An example is indented by four; what goes on, by more.
    if (!line.starts_with("    ")) {
      command.clear();
      text.clear();
      continue;
    }
    std::string part = line.substr(line.find_first_not_of(' '));
    if (text.empty()) {
      json request = json::parse(part, nullptr, false);
      if (request.is_object() && request.contains("cmd")) {
        command = request["cmd"];
        continue;
      }
    }
    text += part;
    if (json answer = json::parse(text, nullptr, false); answer.is_object()) {
      if (!command.empty()) answers[command] = answer.dump() + "\n";
      text.clear();
    }
  }
  EXPECT_TRUE(answers.contains("stats") && answers.contains("status"));
  json event = json::parse(answers["stats"]);
  event.erase("ok");
  event["event"] = "stats";
  answers["subscribe"] += event.dump() + "\n";
  return answers;
}

FakeServer::Answer answer_as_documented() {
  return [answers = documented_answers()](const json& request) {
    auto it = answers.find(request.value("cmd", ""));
    return it == answers.end() ? refuse("unknown_command", "no such command") : it->second;
  };
}

std::string refuse(const std::string& code, const std::string& message, const std::string& field,
                   const std::string& hint) {
  json error{{"code", code}, {"message", message}};
  if (!field.empty()) error["field"] = field;
  if (!hint.empty()) error["hint"] = hint;
  return json{{"ok", false}, {"error", error}}.dump() + "\n";
}

}  // namespace mus::ctl
