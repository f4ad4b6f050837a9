// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/session.h"

#include <utility>

namespace mus::ctl {

std::string Output::paint(Colour colour_code, const std::string& text) const {
  if (!colour) return text;
  switch (colour_code) {
    case Colour::kBold:
      return "\033[1m" + text + "\033[0m";
    case Colour::kDim:
      return "\033[2m" + text + "\033[0m";
    case Colour::kGreen:
      return "\033[32m" + text + "\033[0m";
    case Colour::kYellow:
      return "\033[33m" + text + "\033[0m";
    case Colour::kRed:
      return "\033[31m" + text + "\033[0m";
  }
  return text;
}

Result<Message> Session::converse(const Json& request) {
  if (!client_) {
    auto client = Client::connect(socket_);
    if (!client) return std::unexpected(client.error());
    client_ = std::move(*client);
  }
  return client_->ask(request);
}

Result<Json> Session::ask(const Json& request) {
  auto answer = converse(request);
  if (!answer) return std::unexpected(answer.error());
  if (!answer->refused()) return std::move(answer->body);
  if (output_.json) output_.out << answer->line << '\n';
  return std::unexpected(refusal(answer->body));
}

Result<std::optional<Json>> Session::ask_last(const Json& request) {
  auto answer = converse(request);
  if (!answer) return std::unexpected(answer.error());
  if (output_.json) output_.out << answer->line << '\n';
  if (answer->refused()) return std::unexpected(refusal(answer->body));
  if (output_.json) return std::optional<Json>();
  return std::optional(std::move(answer->body));
}

Output::Colour mode_colour(const std::string& mode) {
  if (mode == "userland") return Output::Colour::kGreen;
  return mode == "fallback" ? Output::Colour::kYellow : Output::Colour::kRed;
}

}  // namespace mus::ctl
