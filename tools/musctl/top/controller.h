// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <mus/result.h>

#include "musctl/client.h"
#include "musctl/top/model.h"
#include "musctl/top/view.h"
#include "musctl/words.h"

namespace mus::ctl {

enum class Key : std::uint8_t {
  kCharacter,
  kUp,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kEscape,
  kBackspace,
};
struct KeyPress {
  Key key = Key::kCharacter;
  char character = 0;
};

/// What `musctl top` does with keys and with what the daemon says. Without a screen and without a connection:
/// it is given keys and messages, and leaves requests to be sent. Answers come in the order of requests.
class TopController {
 public:
  explicit TopController(double interval_s) : interval_s_(interval_s) {}

  /// A new connection: asks for the status once and subscribes. What was asked on the old one is forgotten.
  void connected();
  void disconnected(const std::string& why);

  /// Nothing has come for so long although the connection stands: what is shown is old.
  void silent_for(double seconds);

  /// Errors: the daemon refused the subscription.
  [[nodiscard]] Result<void> take(const Message& message);

  /// false: quit.
  [[nodiscard]] bool press(KeyPress key);

  /// Requests to send, in this order; they are handed out once.
  [[nodiscard]] std::vector<Json> take_requests();

  void set_page(std::size_t rows) { page_ = rows; }
  [[nodiscard]] const TopModel& model() const { return model_; }
  [[nodiscard]] const ViewState& view() const { return view_; }

 private:
  struct Asked {
    enum class What : std::uint8_t { kStatus, kSubscribe, kWeight } what{};
    std::string cgroup;
    bool unset = false;
  };
  void ask(Asked asked, Json request);
  void say(std::string text, Style style = Style::kPlain);
  void press_in_prompt(KeyPress key);
  void press_character(char character);
  void change_weight(const WeightChange& change);
  void unset_weight();
  [[nodiscard]] const CgroupFigures* changeable_cgroup();
  void take_weight(const Asked& asked, const Json& answer);

  double interval_s_;
  std::size_t page_ = 10;
  TopModel model_;
  ViewState view_;
  std::string why_;  ///< why there is no connection
  bool silent_ = false;
  std::deque<Asked> asked_;
  std::vector<Json> requests_;
  std::optional<std::string> typed_;  ///< the answer to "new weight?", while it is asked
  std::uint64_t prompt_id_ = 0;       ///< the cgroup that it is about
  std::string prompt_path_;
};

}  // namespace mus::ctl
