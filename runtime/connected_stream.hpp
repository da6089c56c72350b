#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <weir/actors/operators/broadcast.hpp>
#include <weir/actors/operators/connect.hpp>
#include <weir/actors/operators/joins.hpp>
#include <weir/runtime/stream.hpp>

namespace weir {

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

 protected:
  template <record Out, class Make>
  stream<Out> add(std::string name, const char* kind, Make make) const {
    const std::uint32_t added = detail::add_operator(
        *first_.graph(), detail::make_node<Out>(std::move(name), kind, 2, false, std::move(make)));
    first_.connect_to(added, 0);
    second_.connect_to(added, 1);
    return stream<Out>(first_.graph(), added, 0);
  }

 private:
  stream<A> first_;
  stream<B> second_;
};

/// What comes out of a join, and beside it the records that came too late to be joined.
template <record Out, record A, record B>
class join_results : public stream<Out> {
 public:
  join_results(std::shared_ptr<topology_graph> graph, std::uint32_t node)
      : stream<Out>(graph, node, 0), late_first_(graph, node, 1), late_second_(graph, node, 2) {}

  /// The late records of either stream, with their event times. Those that nobody reads are dropped.
  const stream<A>& late_first() const { return late_first_; }
  const stream<B>& late_second() const { return late_second_; }

 private:
  stream<A> late_first_;
  stream<B> late_second_;
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
    const auto& graph = first_.records().graph();
    const std::uint32_t added = detail::add_operator(
        *graph, detail::make_node<typename P::output>(
                    std::move(name), "process", 2, true,
                    [a = first_.key_of(), b = second_.key_of(), how] {
                      return std::make_unique<op>(a, b, how);
                    }));
    first_.records().connect_by_key(added, 0, first_.key_of());
    second_.records().connect_by_key(added, 1, second_.key_of());
    return stream<typename P::output>(graph, added, 0);
  }

  /// Every pair of records of one key where the second stream's is from `lower` to `upper` after the first's,
  /// in event time: `Out f(const A&, const B&)`; see weir::interval_join.
  template <class F>
  auto join_within(std::string name, std::chrono::milliseconds lower, std::chrono::milliseconds upper,
                   F join) const {
    static_assert(join_function<F, A, B>, "connect, join_within: expected a function Out(const A&, const B&)");
    return add_join(std::move(name), interval_join<Key, A, B, F>(lower, upper, std::move(join)));
  }

  /// Every pair of records of one key in one window: `Out f(const A&, const B&)`. It comes out when the
  /// watermark passes the end of the window; what comes later is late.
  template <class F>
  auto join(std::string name, aligned_windows windows, F f) const {
    static_assert(join_function<F, A, B>, "connect, join: expected a function Out(const A&, const B&)");
    using out = std::remove_cvref_t<std::invoke_result_t<F&, const A&, const B&>>;
    return cogroup<out>(std::move(name), windows,
                        [f](const Key&, const time_window&, const std::vector<A>& first,
                            const std::vector<B>& second, emitter<out>& to) mutable {
                          for (const A& a : first)
                            for (const B& b : second)
                              to(f(a, b));
                        });
  }

  /// The records of both streams of one key and window together: `void f(const Key&, const weir::time_window&,
  /// const std::vector<A>&, const std::vector<B>&, weir::emitter<Out>&)`; see weir::window_cogroup.
  template <record Out, class F>
  join_results<Out, A, B> cogroup(std::string name, aligned_windows windows, F f) const {
    static_assert(cogroup_function<F, Key, A, B, Out>,
                  "connect, cogroup: expected a function void(const Key&, const weir::time_window&, const "
                  "std::vector<A>&, const std::vector<B>&, weir::emitter<Out>&)");
    return add_join(std::move(name), window_cogroup<Key, A, B, Out, F>(windows, std::move(f)));
  }

 private:
  template <class Join>
  join_results<typename Join::output, A, B> add_join(std::string name, Join how) const {
    using op = join_operator<A, KeyOfA, B, KeyOfB, Join>;
    operator_node node = detail::make_node<typename Join::output>(
        std::move(name), "join", 2, true, [a = first_.key_of(), b = second_.key_of(), how] {
          return std::make_unique<op>(a, b, how);
        });
    node.outputs.insert(node.outputs.end(), {type_name<A>(), type_name<B>()});
    node.drops_side_outputs = true;
    const auto& graph = first_.records().graph();
    const std::uint32_t added = detail::add_operator(*graph, std::move(node));
    first_.records().connect_by_key(added, 0, first_.key_of());
    second_.records().connect_by_key(added, 1, second_.key_of());
    return join_results<typename Join::output, A, B>(graph, added);
  }

  keyed_stream<Key, A, KeyOfA> first_;
  keyed_stream<Key, B, KeyOfB> second_;
};

/// A main stream that is not keyed and a broadcast stream.
template <record A, record B>
class broadcast_connected_stream : public connected_stream<A, B> {
 public:
  broadcast_connected_stream(const stream<A>& main, const broadcast_stream<B>& other)
      : connected_stream<A, B>(main, other) {}

  /// A class with `process` and `process_broadcast`, see weir::broadcast_process_function; or one with
  /// `process_first` and `process_second`, see weir::co_process_function.
  template <class P>
  auto process(std::string name, P how) const {
    if constexpr (co_process_function<P, A, B, process_context>) {
      return connected_stream<A, B>::process(std::move(name), std::move(how));
    } else {
      static_assert(broadcast_process_function<P, A, B, process_context>,
                    "connect with a broadcast stream, process: expected a class with `using output = "
                    "...`, `void process(const A&, weir::process_context&, weir::emitter<output>&)` and "
                    "`void process_broadcast(const B&, weir::broadcast_context&, "
                    "weir::emitter<output>&)`; only the latter may change broadcast state");
      using op = broadcast_process_operator<A, B, P>;
      return this->template add<typename P::output>(
          std::move(name), "process", [how] { return std::make_unique<op>(how); });
    }
  }
};

/// A keyed main stream and a broadcast stream.
template <class Key, record A, class KeyOfA, record B>
class keyed_broadcast_stream {
 public:
  keyed_broadcast_stream(keyed_stream<Key, A, KeyOfA> main, broadcast_stream<B> other)
      : main_(std::move(main)), other_(std::move(other)) {}

  /// A class with `process` and `process_broadcast`; see weir::broadcast_process_function.
  template <class P>
  auto process(std::string name, P how) const {
    static_assert(broadcast_process_function<P, A, B, keyed_context<Key>>,
                  "connect with a broadcast stream, process: expected a class with `using output = "
                  "...`, `void process(const A&, weir::keyed_context<Key>&, weir::emitter<output>&)` and "
                  "`void process_broadcast(const B&, weir::broadcast_context&, "
                  "weir::emitter<output>&)`; only the latter may change broadcast state");
    using op = keyed_broadcast_process_operator<A, KeyOfA, B, P>;
    const auto& graph = main_.records().graph();
    const std::uint32_t added = detail::add_operator(
        *graph, detail::make_node<typename P::output>(
                    std::move(name), "process", 2, true,
                    [key_of = main_.key_of(), how] { return std::make_unique<op>(key_of, how); }));
    main_.records().connect_by_key(added, 0, main_.key_of());
    other_.connect_to(added, 1);
    return stream<typename P::output>(graph, added, 0);
  }

 private:
  keyed_stream<Key, A, KeyOfA> main_;
  broadcast_stream<B> other_;
};

} // namespace weir
