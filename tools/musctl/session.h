// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include <mus/result.h>

#include "musctl/client.h"

namespace mus::ctl {

/// How a command speaks.
struct Output {
  std::ostream& out;
  std::ostream& err;
  bool json = false;  ///< print answers as they came
  bool colour = false;

  enum class Colour { kBold, kDim, kGreen, kYellow, kRed };
  [[nodiscard]] std::string paint(Colour colour_code, const std::string& text) const;
};

/// One run of musctl: where the daemon is and how to speak. Connects when first asked to.
class Session {
 public:
  Session(std::string socket, Output output) : socket_(std::move(socket)), output_(output) {}

  /// The answer to a request that was not refused. When it was, and with --json, the refusal has been printed.
  /// Errors: those of Client; kExitRefused.
  [[nodiscard]] Result<Json> ask(const Json& request);

  /// The same, for the command's own and last request: with --json the answer is printed, and nothing is
  /// returned since there is nothing more to say.
  [[nodiscard]] Result<std::optional<Json>> ask_last(const Json& request);

  [[nodiscard]] const Output& output() const { return output_; }
  [[nodiscard]] std::ostream& out() const { return output_.out; }
  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  [[nodiscard]] Result<Message> converse(const Json& request);

  std::string socket_;
  Output output_;
  std::optional<Client> client_;
};

/// "green" for userland, and so on: the daemon's mode as it is shown.
[[nodiscard]] Output::Colour mode_colour(const std::string& mode);

}  // namespace mus::ctl
