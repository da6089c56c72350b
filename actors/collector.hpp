#pragma once

#include <weir/actors/batch.hpp>

namespace weir {

/// Where batches of any type arrive: an input of an operator, or an exchange.
class collector_base {
 public:
  virtual ~collector_base() = default;

  /// Passes on a batch that came over a channel. The topology guarantees that its type fits.
  virtual void receive_any(batch_base& records) = 0;
};

/// Where batches of T arrive.
///
/// The receiver may move out of the records, and may swap the batch for another one of the same
/// type; what is left in it afterwards means nothing. One virtual call per batch is all that
/// connects two operators of a chain.
template <class T>
class collector : public collector_base {
 public:
  using record_type = T;

  virtual void receive(batch<T>& records) = 0;
  void receive_any(batch_base& records) final { receive(static_cast<batch<T>&>(records)); }
};

} // namespace weir
