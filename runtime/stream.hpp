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

#include <weir/actors/operators/connect.hpp>
#include <weir/actors/operators/filter.hpp>
#include <weir/actors/operators/flat_map.hpp>
#include <weir/actors/operators/keyed_fold.hpp>
#include <weir/actors/operators/map.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/actors/operators/sink.hpp>
#include <weir/base/type_name.hpp>
#include <weir/runtime/graph.hpp>

namespace weir {

template <record T>
class stream;
template <class Key, record T, class KeyOf>
class keyed_stream;
template <record A, record B>
class connected_stream;
template <class Key, record A, class KeyOfA, record B, class KeyOfB>
class connected_keyed_stream;

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
               const exchange_factory& make);

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

  /// Divides the records evenly among the instances of the next operator.
  stream<T> rebalance() const { return partitioned(partitioning::rebalance); }

  /// Gives every record to every instance of the next operator.
  stream<T> broadcast() const { return partitioned(partitioning::broadcast); }

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
                      detail::plain_exchange_factory<T>());
  }
  template <class KeyOf>
  void connect_by_key(std::uint32_t node, std::uint32_t input, const KeyOf& key_of) const {
    detail::add_edges(*this->graph_, origins_, node, input, partitioning::hash,
                      type_name<key_of_t<KeyOf, T>>(), detail::hash_exchange_factory<T>(key_of));
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
    operator_node node = describe(std::move(name), kind, std::move(make));
    node.outputs = {type_name<Out>()};
    return stream<Out>(this->graph_, add_node(std::move(node)), 0);
  }

  std::vector<detail::stream_origin> origins_;
  partitioning how_ = partitioning::forward;
};

/// A stream divided by key: operators on it keep state for each key.
template <class Key, record T, class KeyOf>
class keyed_stream {
 public:
  using key_type = Key;

  keyed_stream(stream<T> records, KeyOf key_of)
      : records_(std::move(records)), key_of_(std::move(key_of)) {}

  /// Combines the records of each key into one: `T f(const T& so_far, const T& next)`.
  template <class F>
  auto reduce(std::string name, F f, emit when = emit::updates) const {
    static_assert(reduce_function<F, T>,
                  "reduce: expected a function T(const T& so_far, const T& next)");
    static_assert(storable<T>, "reduce: the record must be storable: give it a cereal serialize");
    return fold(std::move(name), reduce_fold<T, F>{std::move(f)}, when);
  }

  /// Puts the records of each key into an accumulator; see weir::aggregator.
  template <class A>
  auto aggregate(std::string name, A how, emit when = emit::updates) const {
    static_assert(aggregator<A, T>,
                  "aggregate: expected a class with a default-constructible `accumulator`, `void "
                  "add(accumulator&, const T&) const` and `Out result(const accumulator&) const`");
    static_assert(storable<typename A::accumulator>,
                  "aggregate: the accumulator must be storable: give it a cereal serialize");
    return fold(std::move(name), aggregate_fold<A>{std::move(how)}, when);
  }

  /// Counts the records of each key.
  stream<counted<Key>> count(std::string name, emit when = emit::updates) const {
    return fold(std::move(name), count_fold{}, when);
  }

  /// A class with state for each key; see weir::process_function.
  template <class P>
  auto process(std::string name, P how) const {
    static_assert(process_function<P, T, keyed_context<Key>>,
                  "process: expected a class with `using output = ...` and `void process(const T&, "
                  "weir::keyed_context<Key>&, weir::emitter<output>&)`");
    using op = keyed_process_operator<T, KeyOf, P>;
    return add<typename P::output>(
        std::move(name), "process",
        [key_of = key_of_, how] { return std::make_unique<op>(key_of, how); });
  }

  /// This stream and another one with the same kind of key, for an operator with two inputs and
  /// state that both share.
  template <record U, class KeyOfU>
  connected_keyed_stream<Key, T, KeyOf, U, KeyOfU>
  connect(const keyed_stream<Key, U, KeyOfU>& other) const {
    return {*this, other};
  }

  const stream<T>& records() const { return records_; }
  const KeyOf& key_of() const { return key_of_; }

 private:
  template <class Fold>
  auto fold(std::string name, Fold how, emit when) const {
    using op = keyed_fold_operator<T, KeyOf, Fold>;
    return add<typename op::output_type>(
        std::move(name), Fold::kind,
        [key_of = key_of_, how, when] { return std::make_unique<op>(key_of, how, when); });
  }

  template <record Out, class Make>
  stream<Out> add(std::string name, const char* kind, Make make) const {
    operator_node node;
    node.name = std::move(name);
    node.kind = kind;
    node.inputs = 1;
    node.is_keyed = true;
    node.make = std::move(make);
    node.outputs = {type_name<Out>()};
    const std::uint32_t added = detail::add_operator(*records_.graph(), std::move(node));
    records_.connect_by_key(added, 0, key_of_);
    return stream<Out>(records_.graph(), added, 0);
  }

  stream<T> records_;
  KeyOf key_of_;
};

/// Two streams of different types, for operators with two inputs.
template <record A, record B>
class connected_stream {
 public:
  connected_stream(stream<A> first, stream<B> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  /// `Out f(const A&)` for the records of the first stream, `Out g(const B&)` for the second.
  template <class F, class G>
  auto map(std::string name, F f, G g) const {
    static_assert(map_function<F, A> && map_function<G, B>,
                  "connect, map: expected functions Out(const A&) and Out(const B&)");
    using out = map_output<F, A>;
    static_assert(std::same_as<out, map_output<G, B>>,
                  "connect, map: expected both functions to return the same type");
    return flat_map(
        std::move(name), [f](A a, emitter<out>& emit_to) mutable { emit_to(f(std::move(a))); },
        [g](B b, emitter<out>& emit_to) mutable { emit_to(g(std::move(b))); });
  }

  /// `void f(const A&, emitter<Out>&)` and `void g(const B&, emitter<Out>&)`.
  template <class F, class G>
  auto flat_map(std::string name, F f, G g) const {
    static_assert(flat_map_function<F, A> && flat_map_function<G, B>,
                  "connect, flat_map: expected functions void(const A&, weir::emitter<Out>&) and "
                  "void(const B&, weir::emitter<Out>&)");
    using out = flat_map_output_t<F>;
    static_assert(std::same_as<out, flat_map_output_t<G>>,
                  "connect, flat_map: expected both functions to emit the same type");
    using op = connected_flat_map_operator<A, B, out, F, G>;
    return add<out>(std::move(name), "flat_map", [f, g] { return std::make_unique<op>(f, g); });
  }

  /// A class with `process_first` and `process_second`; see weir::co_process_function.
  template <class P>
  auto process(std::string name, P how) const {
    static_assert(co_process_function<P, A, B, process_context>,
                  "connect, process: expected a class with `using output = ...`, `void "
                  "process_first(const A&, weir::process_context&, weir::emitter<output>&)` and "
                  "process_second the same for B");
    using op = connected_process_operator<A, B, P>;
    return add<typename P::output>(std::move(name), "process",
                                   [how] { return std::make_unique<op>(how); });
  }

 private:
  template <record Out, class Make>
  stream<Out> add(std::string name, const char* kind, Make make) const {
    operator_node node;
    node.name = std::move(name);
    node.kind = kind;
    node.inputs = 2;
    node.make = std::move(make);
    node.outputs = {type_name<Out>()};
    const std::uint32_t added = detail::add_operator(*first_.graph(), std::move(node));
    first_.connect_to(added, 0);
    second_.connect_to(added, 1);
    return stream<Out>(first_.graph(), added, 0);
  }

  stream<A> first_;
  stream<B> second_;
};

/// Two streams with the same kind of key, for an operator whose state both share.
template <class Key, record A, class KeyOfA, record B, class KeyOfB>
class connected_keyed_stream {
 public:
  connected_keyed_stream(keyed_stream<Key, A, KeyOfA> first, keyed_stream<Key, B, KeyOfB> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  /// A class with `process_first` and `process_second`; see weir::co_process_function.
  template <class P>
  auto process(std::string name, P how) const {
    static_assert(co_process_function<P, A, B, keyed_context<Key>>,
                  "connect, process: expected a class with `using output = ...`, `void "
                  "process_first(const A&, weir::keyed_context<Key>&, weir::emitter<output>&)` and "
                  "process_second the same for B");
    using op = connected_keyed_process_operator<A, KeyOfA, B, KeyOfB, P>;
    operator_node node;
    node.name = std::move(name);
    node.kind = "process";
    node.inputs = 2;
    node.is_keyed = true;
    node.make = [a = first_.key_of(), b = second_.key_of(), how] {
      return std::make_unique<op>(a, b, how);
    };
    node.outputs = {type_name<typename P::output>()};
    const auto& graph = first_.records().graph();
    const std::uint32_t added = detail::add_operator(*graph, std::move(node));
    first_.records().connect_by_key(added, 0, first_.key_of());
    second_.records().connect_by_key(added, 1, second_.key_of());
    return stream<typename P::output>(graph, added, 0);
  }

 private:
  keyed_stream<Key, A, KeyOfA> first_;
  keyed_stream<Key, B, KeyOfB> second_;
};

} // namespace weir
