// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/controller.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "musctl/exit_code.h"
#include "musctl/text.h"

namespace mus::ctl {

void TopController::connected() {
  asked_.clear();
  requests_.clear();
  if (!view_.connected) say("connected again", Style::kGood);
  view_.connected = true;
  why_.clear();
  ask({Asked::What::kStatus}, {{"cmd", "status"}});
  ask({Asked::What::kSubscribe}, {{"cmd", "subscribe"}, {"interval", interval_s_}});
}

void TopController::disconnected(const std::string& why) {
  asked_.clear();
  requests_.clear();
  view_.connected = false;
  // Each attempt fails the same way: said once, so that what is said about a key stays readable.
  if (why == why_) return;
  why_ = why;
  say(why, Style::kBad);
}

void TopController::ask(Asked asked, Json request) {
  if (!view_.connected) return say("not sent: there is no connection", Style::kBad);
  asked_.push_back(std::move(asked));
  requests_.push_back(std::move(request));
}

std::vector<Json> TopController::take_requests() {
  return std::exchange(requests_, {});
}

void TopController::say(std::string text, Style style) {
  view_.message = std::move(text);
  view_.message_style = style;
}

void TopController::silent_for(double seconds) {
  silent_ = true;
  say("no news for " + duration_text(seconds) + ": mus-userland is stopped, or has no CPU time", Style::kBad);
}

Result<void> TopController::take(const Message& message) {
  if (std::exchange(silent_, false)) say("");
  if (message.is_event()) {
    if (string(message.body, "event") == "stats" && !view_.paused) model_.update(read_snapshot(message.body));
    return {};
  }
  Asked asked;
  if (!asked_.empty()) {
    asked = std::move(asked_.front());
    asked_.pop_front();
  } else if (message.refused()) {
    return std::unexpected(refusal(message.body));  // turned away before anything was asked
  }
  if (message.refused()) {
    Error error = refusal(message.body);
    if (asked.what == Asked::What::kSubscribe || error.exit_code == kExitNoDaemon)
      return std::unexpected(error);
    say(error.message(), Style::kBad);
    return {};
  }
  if (asked.what == Asked::What::kStatus) {
    view_.kernel = string(message.body, "kernel");
    const Json& notes = inside(message.body, "notes");
    if (notes.is_array() && !notes.empty() && notes[0].is_string() && view_.message.empty())
      say("note: " + printable(notes[0].get<std::string>()), Style::kDim);
  }
  if (asked.what == Asked::What::kWeight) take_weight(asked, message.body);
  return {};
}

void TopController::take_weight(const Asked& asked, const Json& answer) {
  auto weight = static_cast<std::uint32_t>(count(answer, "weight"));
  model_.set_weight(count(answer, "cgroup_id"), weight, !asked.unset);
  std::string before = std::to_string(count(answer, "before"));
  std::string text = printable(asked.cgroup) + ": " + before + " -> " + std::to_string(weight);
  if (!asked.unset)
    say(text + ", until it is unset (u)", Style::kGood);
  else
    say(is_true(answer, "was_set") ? text + ", unset"
                                   : printable(asked.cgroup) + ": was not set through mus");
}

bool TopController::press(KeyPress key) {
  if (view_.help) {
    view_.help = false;
    return true;
  }
  if (typed_) {
    press_in_prompt(key);
    return true;
  }
  auto page = static_cast<std::int64_t>(std::max<std::size_t>(page_, 1));
  switch (key.key) {
    case Key::kUp:
      model_.move(-1);
      break;
    case Key::kDown:
      model_.move(1);
      break;
    case Key::kPageUp:
      model_.move(-page);
      break;
    case Key::kPageDown:
      model_.move(page);
      break;
    case Key::kHome:
      model_.move(std::numeric_limits<std::int32_t>::min());
      break;
    case Key::kEnd:
      model_.move(std::numeric_limits<std::int32_t>::max());
      break;
    case Key::kLeft:
      model_.collapse();
      break;
    case Key::kRight:
      model_.expand();
      break;
    case Key::kEnter:
      model_.toggle();
      break;
    case Key::kEscape:
    case Key::kBackspace:
      break;
    case Key::kCharacter:
      if (key.character == 'q' || key.character == 'Q') return false;
      press_character(key.character);
  }
  return true;
}

void TopController::press_character(char character) {
  switch (character) {
    case 'k':
      model_.move(-1);
      break;
    case 'j':
      model_.move(1);
      break;
    case ' ':
      if (model_.sort() != Sort::kTree)
        say("folds only in the tree: press s until the sort is 'tree'");
      else
        model_.toggle();
      break;
    case 's':
      model_.cycle_sort();
      break;
    case '+':
      change_weight({.relative = true, .amount = 1.25});
      break;
    case '-':
      change_weight({.relative = true, .amount = 0.75});
      break;
    case '=':
      if (const CgroupFigures* cgroup = changeable_cgroup()) {
        prompt_id_ = cgroup->id;
        prompt_path_ = cgroup->path;
        typed_.emplace();
        press_in_prompt({Key::kUp});  // shows the prompt
      }
      break;
    case 'u':
      unset_weight();
      break;
    case 'p':
      view_.paused = !view_.paused;
      say(view_.paused ? "paused: p goes on" : "");
      break;
    case 'h':
    case '?':
      view_.help = true;
      break;
    default:
      break;
  }
}

void TopController::press_in_prompt(KeyPress key) {
  bool done = key.key == Key::kEscape || key.key == Key::kEnter;
  if (key.key == Key::kBackspace && !typed_->empty()) typed_->pop_back();
  if (key.key == Key::kCharacter && key.character > ' ' && key.character < 127 && typed_->size() < 12)
    *typed_ += key.character;
  if (key.key == Key::kEnter && !typed_->empty()) {
    auto change = parse_weight(*typed_);
    const auto& cgroups = model_.snapshot().cgroups;
    auto cgroup = std::ranges::find(cgroups, prompt_id_, &CgroupFigures::id);
    if (!change) {
      say(change.error().message(), Style::kBad);
    } else if (cgroup == cgroups.end()) {
      say(printable(prompt_path_) + " is gone", Style::kBad);
    } else {
      auto [weight, clamped] = change->apply(cgroup->weight);
      ask({Asked::What::kWeight, cgroup->path},
          {{"cmd", "weight.set"}, {"cgroup_id", cgroup->id}, {"weight", weight}});
    }
  }
  if (done) {
    typed_.reset();
    view_.prompt.clear();
  } else {
    view_.prompt = "weight of " + printable(prompt_path_) + " (1..10000, +50%, x2): " + *typed_ + "_";
    // What is typed must be seen, however long the path is.
    if (columns(view_.prompt) > 70) view_.prompt = "weight (1..10000, +50%, x2): " + *typed_ + "_";
  }
}

const CgroupFigures* TopController::changeable_cgroup() {
  const CgroupFigures* cgroup = model_.selected_cgroup();
  if (!cgroup) return nullptr;
  if (cgroup->path == "/") {
    say("the root has no weight: it is the whole machine");
    return nullptr;
  }
  return cgroup;
}

void TopController::change_weight(const WeightChange& change) {
  const CgroupFigures* cgroup = changeable_cgroup();
  if (!cgroup) return;
  auto [weight, clamped] = change.apply(cgroup->weight);
  if (weight == cgroup->weight) return say("weights end at " + std::to_string(weight));
  ask({Asked::What::kWeight, cgroup->path},
      {{"cmd", "weight.set"}, {"cgroup_id", cgroup->id}, {"weight", weight}});
  // At once, so that the key pressed again counts from here; a refusal is mended by the next snapshot.
  if (view_.connected) model_.set_weight(cgroup->id, weight, true);
}

void TopController::unset_weight() {
  if (const CgroupFigures* cgroup = changeable_cgroup())
    ask({Asked::What::kWeight, cgroup->path, true}, {{"cmd", "weight.unset"}, {"cgroup_id", cgroup->id}});
}

}  // namespace mus::ctl
