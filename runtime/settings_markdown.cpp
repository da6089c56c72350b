#include <weir/runtime/settings.hpp>

namespace weir {

namespace {

constexpr std::string_view introduction = R"(# Settings

<!-- Printed by any job: JOB settings --markdown > docs/settings.md. Not edited by hand. -->

Every job has these settings. A value comes from the first of these places that gives one:

1. the command line: `--checkpoint-interval 200ms`, or `--checkpoint-interval=200ms`
2. the environment: `WEIR_CHECKPOINT_INTERVAL=200ms`
3. a TOML file, named by `--config FILE` or `WEIR_CONFIG`
4. the job's code: the `job_config` that is given to `weir::main`
5. the default

A job's own options come from the same places: an option `input` is `--input` on the command line,
`WEIR_JOB_INPUT` in the environment, and `input` under `[job]` in the file. `JOB --help` lists both.

```toml
parallelism = 2

[checkpoint]
dir = "/var/lib/word-count"
interval = "200ms"

[job]
input = "texts/"
```

An unknown key, variable that starts with `WEIR_` (but `WEIR_COORDINATOR`, which is for the program
`weir`), or flag, and a value that is not allowed, are errors. All of them are reported, with the
place they come from, before the job starts; the exit code is then 2.

| kind | how it is written |
|---|---|
| duration | a number and a unit: `200ms`, `1.5s`, `10min`; units ns, us, ms, s, min, h, d; `0` needs none |
| size | bytes, or a number and a unit: `64KiB`, `1.5GiB`, `10MB`; KiB, MiB, GiB, TiB are powers of 1024, kB, MB, GB, TB of 1000 |
| whole number | decimal digits |
| true or false | also yes, no, on, off, 1, 0; on the command line `--chaining`, `--chaining=false` or `--no-chaining` |
)";

} // namespace

std::string settings_markdown() {
  const job_config defaults;
  std::string out{introduction};
  std::string_view group;
  for (const setting& row : settings()) {
    if (row.group != group) {
      group = row.group;
      out.append("\n## ").append(group).append("\n\n");
      out += "| key | flag, environment | default | allowed | meaning |\n|---|---|---|---|---|\n";
    }
    const std::string value = row.show(defaults);
    out.append("| `").append(row.key).append("` | `").append(flag_name(row.key));
    out.append(row.is_boolean ? "" : " ").append(row.is_boolean ? "" : row.word);
    if (!row.short_name.empty())
      out.append("`<br>`--").append(row.short_name);
    out.append("`<br>`").append(environment_name(row.key)).append("` | ");
    out.append(value.empty() ? "none" : "`" + value + "`").append(" | ");
    out.append(row.allowed).append(" | ").append(row.meaning).append(" |\n");
  }
  return out;
}

} // namespace weir
