// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "kernel/fd.h"

namespace mus::ctl {

/// A control socket in a temporary folder, served by a thread: one client after another.
/// `answer` is given each request as it was parsed and says what to send, newline included (so it can also send
/// less, or more, than a line); an empty string closes the connection.
class FakeServer {
 public:
  using Answer = std::function<std::string(const nlohmann::json& request)>;
  explicit FakeServer(Answer answer);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// What was asked so far, in order.
  [[nodiscard]] std::vector<nlohmann::json> requests() const;

 private:
  void serve();
  void serve_client(int client);

  Answer answer_;
  std::string folder_, path_;
  Fd listener_;
  Fd stop_read_, stop_write_;
  mutable std::mutex mutex_;
  std::vector<nlohmann::json> requests_;
  std::thread thread_;
};

/// The examples of docs/control_protocol.md: to each command the answer given there. `subscribe` is answered by
/// its answer and one event, made of the example of `stats`.
[[nodiscard]] std::map<std::string, std::string> documented_answers();

/// Answers as the document does; a command that is not in it is refused.
[[nodiscard]] FakeServer::Answer answer_as_documented();

/// {"ok":false,...} and a newline.
[[nodiscard]] std::string refuse(const std::string& code, const std::string& message,
                                 const std::string& field = {}, const std::string& hint = {});

}  // namespace mus::ctl
