#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/actors/operators/assign_times.hpp>
#include <weir/actors/operators/filter.hpp>
#include <weir/actors/operators/flat_map.hpp>
#include <weir/actors/operators/iterate.hpp>
#include <weir/actors/operators/map.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/actors/operators/sink.hpp>
#include <weir/actors/window.hpp>
#include <weir/base/type_name.hpp>
#include <weir/runtime/graph.hpp>

namespace weir {

template <record T>
class stream;
template <class Key, record T, class KeyOf>
class keyed_stream;
template <record T>
class broadcast_stream;
template <record A, record B>
class connected_stream;
template <record A, record B>
class broadcast_connected_stream;
template <class Key, record A, class KeyOfA, record B, class KeyOfB>
class connected_keyed_stream;
template <record T>
class iteration;
template <class Key, record A, class KeyOfA, record B>
class keyed_broadcast_stream;
template <class Key, record T, class KeyOf, class Windows, class Trigger>
class windowed_stream;
namespace triggers {
struct on_time;
}

namespace detail {

/// Where a stream comes from: an output port of an operator.
struct stream_origin {
  std::uint32_t node;
  std::uint32_t output;
};

template <record T>
exchange_factory plain_exchange_factory() {
  return [](exchange_setup setup) -> std::unique_ptr<exchange_base> {
    return std::make_unique<plain_exchange<T>>(setup.how, std::move(setup.channels),
                                               setup.batch_size);
  };
}

template <record T, class KeyOf>
exchange_factory hash_exchange_factory(KeyOf key_of) {
  return [key_of](exchange_setup setup) -> std::unique_ptr<exchange_base> {
    return std::make_unique<hash_exchange<T, KeyOf>>(key_of, std::move(setup.channels),
                                                     setup.batch_size, setup.key_groups);
  };
}

std::uint32_t add_operator(topology_graph& graph, operator_node node);
void add_edges(topology_graph& graph, const std::vector<stream_origin>& from, std::uint32_t to,
               std::uint32_t input, partitioning how, const std::string& key_type,
               const exchange_factory& make, const batch_codec* codec);

void add_feedback(topology_graph& graph, const std::vector<stream_origin>& from, std::uint32_t to, partitioning how,
                  const exchange_factory& make, const batch_codec* codec);

/// An operator with one output, as it is declared on a stream.
template <record Out, class Make>
operator_node make_node(std::string name, const char* kind, std::uint32_t inputs, bool is_keyed,
                        Make make) {
  operator_node node;
  node.name = std::move(name);
  node.kind = kind;
  node.inputs = inputs;
  node.is_keyed = is_keyed;
  node.make = std::move(make);
  node.outputs = {type_name<Out>()};
  return node;
}

template <class Op>
constexpr bool blocks = requires { requires Op::blocks; };

} // namespace detail

/// What can be set on an operator after it was declared. `Self` is the stream it returns, so that
/// calls can be chained: `lines.map("parse", parse).uid("parse-v1").parallelism(4)`.
template <class Self>
class operator_settings {
 public:
  /// The name under which the operator's state is found in checkpoints; without it, the operator's
  /// name. Keep it when you rename the operator.
  Self& uid(std::string value) {
    node().uid = std::move(value);
    return self();
  }

  /// The number of instances; without it, the job's.
  Self& parallelism(std::uint32_t instances) {
    if (instances == 0)
      graph_->mistakes.push_back("operator '" + node().name +
                                 "': a parallelism of 0, expected at least 1");
    node().parallelism = instances;
    return self();
  }

  /// Whether the operator may share a task with the one before it. On by default.
  Self& chaining(bool allowed) {
    node().may_chain = allowed;
    return self();
  }

 protected:
  operator_settings(std::shared_ptr<topology_graph> graph, std::uint32_t last)
      : graph_(std::move(graph)), last_(last) {}

  operator_node& node() { return graph_->operators[last_]; }

  std::shared_ptr<topology_graph> graph_;
  std::uint32_t last_;

 private:
  Self& self() { return static_cast<Self&>(*this); }
};

/// The end of a stream.
class sink_end : public operator_settings<sink_end> {
 public:
  using operator_settings::operator_settings;
  sink_end(std::shared_ptr<topology_graph> graph, std::uint32_t node)
      : operator_settings(std::move(graph), node) {}
};

/// Records of type T on their way through the topology, and the operators that can be put on them.
///
/// A handle: copies mean the same stream, and several operators may read one stream; each gets every
/// record. Functions are copied once per instance; see the operators' own headers for their shapes.
///
/// Errors: a function of the wrong shape does not compile; what is wrong with the shape of the
///         topology is reported, all of it, before the job starts.
template <record T>
class stream : public operator_settings<stream<T>> {
 public:
  using record_type = T;

  stream(std::shared_ptr<topology_graph> graph, std::uint32_t node, std::uint32_t output)
      : operator_settings<stream<T>>(std::move(graph), node), origins_{{node, output}} {}

  /// One record for each: `Out f(const T&)`.
  template <class F>
  auto map(std::string name, F f) const {
    static_assert(map_function<F, T>,
                  "map: expected a function Out(const T&) that returns a record");
    using op = map_operator<T, F>;
    return add<map_output<F, T>>(std::move(name), "map", [f] { return std::make_unique<op>(f); });
  }

  /// Some of the records: `bool f(const T&)`.
  template <class F>
  stream<T> filter(std::string name, F f) const {
    static_assert(filter_function<F, T>, "filter: expected a function bool(const T&)");
    using op = filter_operator<T, F>;
    return add<T>(std::move(name), "filter", [f] { return std::make_unique<op>(f); });
  }

  /// Any number of records for each: `void f(const T&, weir::emitter<Out>&)`.
  template <class F>
  auto flat_map(std::string name, F f) const {
    static_assert(flat_map_function<F, T>,
                  "flat_map: expected a function void(const T&, weir::emitter<Out>&), where Out is "
                  "not a template parameter");
    using op = flat_map_operator<T, F>;
    return add<flat_map_output_t<F>>(std::move(name), "flat_map",
                                     [f] { return std::make_unique<op>(f); });
  }

  /// Several streams of one: `void f(const T&, weir::emitter<Outs>&...)`. The first is the main
  /// output, the others are side outputs:
  ///
  ///     auto [orders, rejected] = lines.split<order, std::string>("parse", parse);
  template <record... Outs, class F>
  std::tuple<stream<Outs>...> split(std::string name, F f) const {
    static_assert(split_function<F, T, Outs...>,
                  "split: expected a function void(const T&, weir::emitter<Outs>&...)");
    using op = split_operator<T, F, Outs...>;
    operator_node node = describe(std::move(name), "split", [f] { return std::make_unique<op>(f); });
    node.outputs = {type_name<Outs>()...};
    const std::uint32_t added = add_node(std::move(node));
    return [&]<std::size_t... Output>(std::index_sequence<Output...>) {
      return std::tuple<stream<Outs>...>{
          stream<Outs>(this->graph_, added, static_cast<std::uint32_t>(Output))...};
    }(std::index_sequence_for<Outs...>{});
  }

  /// Gives each record its event time, `event_time f(const T&)`, and says how far event time has come;
  /// see watermark_generator.
  ///
  ///     readings.assign_times("times", [](const reading& in) { return in.at; },
  ///                           weir::bounded_disorder{2s})
  ///
  /// Put it where the records of a source's instance are still together, to have a watermark per partition
  /// of the source: before anything that divides them among instances.
  template <class F, class W>
  stream<T> assign_times(std::string name, F time_of, W how, watermark_options options = {}) const {
    static_assert(time_function<F, T>, "assign_times: expected a function weir::event_time(const T&)");
    static_assert(watermark_generator<W, T>,
                  "assign_times: expected a class with `void on_record(const T&, weir::event_time)` and "
                  "`weir::event_time watermark() const`, such as weir::bounded_disorder");
    using op = assign_times_operator<T, F, W>;
    return add<T>(std::move(name), "assign_times",
                  [=] { return std::make_unique<op>(time_of, how, options); });
  }

  /// The same with the time at which each record passes here, on the job's clock.
  stream<T> assign_ingestion_times(std::string name, watermark_options options = {}) const {
    using op = assign_times_operator<T, ingestion_time, monotonous>;
    return add<T>(std::move(name), "assign_times",
                  [=] { return std::make_unique<op>(ingestion_time{}, monotonous{}, options); });
  }

  /// A class that handles records one by one; see process_function.
  template <class P>
  auto process(std::string name, P how) const {
    static_assert(process_function<P, T, process_context>,
                  "process: expected a class with `using output = ...` and `void process(const T&, "
                  "weir::process_context&, weir::emitter<output>&)`");
    using op = process_operator<T, P>;
    return add<typename P::output>(std::move(name), "process",
                                   [how] { return std::make_unique<op>(how); });
  }

  /// Divides the stream by key, so that the next operator keeps state for each: `key f(const T&)`.
  template <class F>
  auto key_by(F key_of) const {
    static_assert(std::copy_constructible<F> && std::invocable<const F&, const T&>,
                  "key_by: expected a function Key(const T&)");
    using key = key_of_t<F, T>;
    static_assert(storable<key> && std::equality_comparable<key>,
                  "key_by: a key must be storable and have ==");
    return keyed_stream<key, T, F>(*this, std::move(key_of));
  }

  /// Divides all records into windows, in one instance; see keyed_stream::window.
  template <class Windows>
  auto window(Windows windows) const {
    return windowed_stream<no_key, T, without_key, Windows, triggers::on_time>(*this, without_key{}, std::move(windows));
  }

  /// The records of both streams, in no particular order between them.
  stream<T> union_with(const stream<T>& other) const {
    if (other.graph_ != this->graph_)
      this->graph_->mistakes.push_back("a union with a stream of another topology: build both with "
                                       "one topology object");
    if (other.how_ != how_)
      this->graph_->mistakes.push_back("a union of streams that are partitioned differently: call "
                                       "rebalance() or broadcast() on the union");
    stream<T> both = *this;
    both.origins_.insert(both.origins_.end(), other.origins_.begin(), other.origins_.end());
    return both;
  }

  /// This stream and one of another type, for an operator with two inputs.
  template <record U>
  connected_stream<T, U> connect(const stream<U>& other) const {
    return connected_stream<T, U>(*this, other);
  }

  /// This stream and a broadcast one, for an operator whose instances all see the records of the other
  /// and keep broadcast state; see weir::broadcast_process_function.
  template <record U>
  broadcast_connected_stream<T, U> connect(const broadcast_stream<U>& other) const {
    return broadcast_connected_stream<T, U>(*this, other);
  }

  /// Divides the records evenly among the instances of the next operator.
  stream<T> rebalance() const { return partitioned(partitioning::rebalance); }

  /// Gives every record to every instance of the next operator.
  broadcast_stream<T> broadcast() const {
    return broadcast_stream<T>(partitioned(partitioning::broadcast));
  }

  /// Begins a loop: what is fed back comes here again, with what comes in. See iteration.
  iteration<T> iterate(std::string name) const;

  /// Ends the stream in a function, a class or a two-phase-commit sink; see weir::sink.
  template <class S>
  sink_end sink(std::string name, S how) const {
    static_assert(weir::sink<S, T>,
                  "sink: expected a function void(const T&), a class with `void write(const T&)`, or "
                  "a two-phase-commit sink for T (see weir/actors/operators/sink.hpp)");
    operator_node node;
    if constexpr (two_phase_sink<S, T>)
      node = describe(std::move(name), "sink",
                      [how] { return std::make_unique<two_phase_sink_operator<T, S>>(how); });
    else
      node = describe(std::move(name), "sink",
                      [how] { return std::make_unique<sink_operator<T, S>>(how); });
    node.blocks = detail::blocks<S>;
    if constexpr (requires(S s, const operator_context& context) { s.check(context, true); })
      node.check = [how](const operator_context& context, bool fresh) {
        return S(how).check(context, fresh);
      };
    return sink_end(this->graph_, add_node(std::move(node)));
  }

  /// Connects this stream to an input port of an operator. For code that adds operators of its own.
  void connect_to(std::uint32_t node, std::uint32_t input) const {
    detail::add_edges(*this->graph_, origins_, node, input, how_, {},
                      detail::plain_exchange_factory<T>(), batch_codec_of<T>());
  }
  template <class KeyOf>
  void connect_by_key(std::uint32_t node, std::uint32_t input, const KeyOf& key_of) const {
    detail::add_edges(*this->graph_, origins_, node, input, partitioning::hash,
                      type_name<key_of_t<KeyOf, T>>(), detail::hash_exchange_factory<T>(key_of),
                      batch_codec_of<T>());
  }
  /// Connects this stream to the second input of an operator that it comes from.
  void feed_back_into(std::uint32_t node) const {
    detail::add_feedback(*this->graph_, origins_, node, how_, detail::plain_exchange_factory<T>(), batch_codec_of<T>());
  }
  const std::shared_ptr<topology_graph>& graph() const { return this->graph_; }

 private:
  stream<T> partitioned(partitioning how) const {
    stream<T> other = *this;
    other.how_ = how;
    return other;
  }

  template <class Make>
  static operator_node describe(std::string name, const char* kind, Make make) {
    operator_node node;
    node.name = std::move(name);
    node.kind = kind;
    node.inputs = 1;
    node.make = std::move(make);
    return node;
  }

  std::uint32_t add_node(operator_node node) const {
    const std::uint32_t added = detail::add_operator(*this->graph_, std::move(node));
    connect_to(added, 0);
    return added;
  }

  template <record Out, class Make>
  stream<Out> add(std::string name, const char* kind, Make make) const {
    return stream<Out>(
        this->graph_,
        add_node(detail::make_node<Out>(std::move(name), kind, 1, false, std::move(make))), 0);
  }

  std::vector<detail::stream_origin> origins_;
  partitioning how_ = partitioning::forward;
};

/// A stream of which every instance of the next operator gets every record.
template <record T>
class broadcast_stream : public stream<T> {
 public:
  explicit broadcast_stream(stream<T> records) : stream<T>(std::move(records)) {}
};

} // namespace weir

#include <weir/runtime/connected_stream.hpp>
#include <weir/runtime/iteration.hpp>
#include <weir/runtime/keyed_stream.hpp>
