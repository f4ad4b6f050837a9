// SPDX-License-Identifier: GPL-2.0-only
#include "rings/decision_writer.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace mus {

void DecisionWriter::Free::operator()(user_ring_buffer* r) const { user_ring_buffer__free(r); }
DecisionWriter::~DecisionWriter() = default;

Result<std::unique_ptr<DecisionWriter>> DecisionWriter::open(int decisions_fd) {
  std::unique_ptr<DecisionWriter> writer(new DecisionWriter);
  writer->ring_.reset(user_ring_buffer__new(decisions_fd, nullptr));
  if (!writer->ring_) return fail(std::string("the decision ring cannot be opened: ") + std::strerror(errno));
  return writer;
}

bool DecisionWriter::write(const mus_decision& decision) {
  void* record = user_ring_buffer__reserve(ring_.get(), sizeof(decision));
  if (!record) return false;
  std::memcpy(record, &decision, sizeof(decision));
  user_ring_buffer__submit(ring_.get(), record);
  return true;
}

}  // namespace mus
