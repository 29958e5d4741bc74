//! Every documented mistake, and exactly what the user reads.

pub(super) const MISTAKES: &[(&str, &str)] = &[
    ("", "
error: the configuration is empty
 --> pit.yaml
  = help: write `pools:` and below it `  - name: default` and `    adapter: path/to/adapter.py`
"),
    ("version: 1", "
error: there are no `pools`
 --> pit.yaml
  = help: write `pools:` and below it `  - name: default` and `    adapter: path/to/adapter.py`
"),
    ("- name: a", "
error: not a configuration
 --> pit.yaml:1:1
  |
1 | - name: a
  | ^^^^^^ expected a mapping
  = help: write `pools:` and below it `  - name: default` and `    adapter: path/to/adapter.py`
"),
    ("pools: []", "
error: `pools` is empty
 --> pit.yaml:1:8
  |
1 | pools: []
  |        ^ expected at least one pool
  = help: write `pools:` and below it `  - name: default` and `    adapter: path/to/adapter.py`
"),
    ("pools: {name: a}", "
error: invalid value of `pools`
 --> pit.yaml:1:8
  |
1 | pools: {name: a}
  |        ^ expected a list of pools
  = help: begin each pool with `- name: ...`
"),
    ("pools: [fast]", "
error: not a pool
 --> pit.yaml:1:9
  |
1 | pools: [fast]
  |         ^^^^ expected a mapping with a key `name`
"),
    ("adapter: x\npools: [{name: a, adapter: x}]", "
error: `adapter` cannot stand beside `pools`
 --> pit.yaml:1:1
  |
1 | adapter: x
  | ^^^^^^^
  = help: move it into one of the pools
"),
    ("version: 2\nadapter: x", "
error: invalid value of `version`
 --> pit.yaml:1:10
  |
1 | version: 2
  |          ^ expected `1`, found `2`
"),
    ("pools:\n- name: [\n", "
error: did not find expected node content, while parsing a flow node
 --> pit.yaml:2:10
  |
2 | - name: [
  |          ^
"),
    ("pools:\n\t- name: a", "
error: found character that cannot start any token, while scanning for the next token
 --> pit.yaml:2:1
  |
2 | \t- name: a
  | ^
  = help: indent with spaces: YAML does not allow tabs
"),
    ("---\npools: []\n---\npools: []\n", "
error: there is more than one document in this file
 --> pit.yaml:3:1
  |
3 | ---
  | ^^^
"),
    ("adapter: x\nname: a\nname: b", "
error: key `name` is given twice
 --> pit.yaml:3:1
  |
3 | name: b
  | ^^^^ first given on line 2
"),
    ("pools:\n- name: a\n  adapter: x\n- adapter: x\n  name: a", "
error: there are two pools named `a`
 --> pit.yaml:5:9
  |
5 |   name: a
  |         ^ first named on line 2
"),
    ("pools: [{adapter: x}]", "
error: missing key `name`
 --> pit.yaml:1:9
  |
1 | pools: [{adapter: x}]
  |         ^ needs a key `name`
"),
    ("name: My Pool # ours\nadapter: x", "
error: invalid value of `name`
 --> pit.yaml:1:7
  |
1 | name: My Pool # ours
  |       ^^^^^^^ expected a name made of a-z, 0-9, `_` and `-`, found \"My Pool\"
"),
    ("adapter: x\npool_siez: 4", "
error: unknown key `pool_siez`
 --> pit.yaml:2:1
  |
2 | pool_siez: 4
  | ^^^^^^^^^
  = help: did you mean `pool_size`?
"),
    ("adapter: x\npre-load: []", "
error: unknown key `pre-load`
 --> pit.yaml:2:1
  |
2 | pre-load: []
  | ^^^^^^^^
  = help: did you mean `preload`?
"),
    ("adapter: x\nworker_ttl: 1h", "
error: `worker_ttl` is not supported
 --> pit.yaml:2:1
  |
2 | worker_ttl: 1h
  | ^^^^^^^^^^
  = help: this program was built without snakepit-lifecycle; remove the key, or add its policies to the registry
"),
    ("adapter: x\npool_size: 0", "
error: invalid value of `pool_size`
 --> pit.yaml:2:12
  |
2 | pool_size: 0
  |            ^ expected a whole number from 1 to 10000, or `{min: 1, max: 4}`, found `0`
"),
    ("adapter: x\npool_size: {min: 4, max: 2}", "
error: invalid value of `pool_size`
 --> pit.yaml:2:12
  |
2 | pool_size: {min: 4, max: 2}
  |            ^ `min` of 4 is more than `max` of 2
"),
    ("adapter: x\npool_size: {min: 0, max: 2}", "
error: invalid value of `pool_size.min`
 --> pit.yaml:2:18
  |
2 | pool_size: {min: 0, max: 2}
  |                  ^ expected a whole number from 1 to 10000, found `0`
"),
    ("adapter: x\npool_size: {min: 1, maximum: 2}", "
error: invalid value of `pool_size`
 --> pit.yaml:2:21
  |
2 | pool_size: {min: 1, maximum: 2}
  |                     ^^^^^^^ expected `min` or `max`, found `maximum`
"),
    ("adapter: x\npool_size: many", "
error: invalid value of `pool_size`
 --> pit.yaml:2:12
  |
2 | pool_size: many
  |            ^^^^ expected a whole number from 1 to 10000, or `{min: 1, max: 4}`, found \"many\"
"),
    ("adapter: x\npool_size: 2\nscale_cooldown: 1s", "
error: invalid value of `scale_cooldown`
 --> pit.yaml:3:17
  |
3 | scale_cooldown: 1s
  |                 ^^ the size of this pool never changes
  = help: write `pool_size: {min: 1, max: 4}`, or remove the key
"),
    ("adapter: x\npool_size: 2\nmax_concurrent_recycles: 3", "
error: invalid value of `max_concurrent_recycles`
 --> pit.yaml:3:26
  |
3 | max_concurrent_recycles: 3
  |                          ^ must not be more than the 2 workers of the pool
"),
    ("adapter: x\nrestart_window: 0s", "
error: invalid value of `restart_window`
 --> pit.yaml:2:17
  |
2 | restart_window: 0s
  |                 ^^ expected more than nothing: no worker dies in no time
"),
    ("adapter: x\nrestart_budget: 0", "
error: invalid value of `restart_budget`
 --> pit.yaml:2:17
  |
2 | restart_budget: 0
  |                 ^ expected a whole number from 1 to 1000000, found `0`
"),
    ("adapter: x\nslow_call_after: 0s", "
error: invalid value of `slow_call_after`
 --> pit.yaml:2:18
  |
2 | slow_call_after: 0s
  |                  ^^ expected more than nothing: every call takes some time
"),
    ("adapter: x\nworker_hard_memory: 512", "
error: invalid value of `worker_hard_memory`
 --> pit.yaml:2:21
  |
2 | worker_hard_memory: 512
  |                     ^^^ expected at least 4MiB
"),
    ("adapter: x\nrlimits: {nofile: 3}", "
error: invalid value of `rlimits.nofile`
 --> pit.yaml:2:19
  |
2 | rlimits: {nofile: 3}
  |                   ^ expected a whole number from 16 to 1000000000, found `3`
"),
    ("adapter: x\nrlimits: {nproc: 3}", "
error: invalid value of `rlimits`
 --> pit.yaml:2:11
  |
2 | rlimits: {nproc: 3}
  |           ^^^^^ expected one of `nofile`, `core`, `as`, found `nproc`
"),
    ("adapter: x\nmemory_threshold_mb: 512", "
error: `memory_threshold_mb` is not supported
 --> pit.yaml:2:1
  |
2 | memory_threshold_mb: 512
  | ^^^^^^^^^^^^^^^^^^^
  = help: this program was built without snakepit-lifecycle; remove the key, or add its policies to the registry
"),
    ("adapter: x\npool_size: 1\npool_config: {pool_size: 2}", "
error: `pool_size` is given twice
 --> pit.yaml:3:15
  |
3 | pool_config: {pool_size: 2}
  |               ^^^^^^^^^ first given on line 2
"),
    ("adapter: x\nadapter_module: y", "
error: `adapter_module` and `adapter` mean the same
 --> pit.yaml:2:1
  |
2 | adapter_module: y
  | ^^^^^^^^^^^^^^ first given on line 1
"),
    ("adapter: x\nqueue_timeout: 5", "
error: invalid value of `queue_timeout`
 --> pit.yaml:2:16
  |
2 | queue_timeout: 5
  |                ^ expected a duration such as `250ms`, `5s`, `1h30m` or `2d`, found the number `5` without a unit
"),
    ("adapter: x\nrequest_timeout: 0s", "
error: invalid value of `request_timeout`
 --> pit.yaml:2:18
  |
2 | request_timeout: 0s
  |                  ^^ expected more than nothing: no call could ever be in time
"),
    ("adapter: x\nqueue_size:", "
error: `queue_size` has no value
 --> pit.yaml:2:12
  |
2 | queue_size:
  |            ^ expected a value; remove the key to use the default
"),
    ("adapter: x\npool_size: 1\nlanes: 2", "
error: invalid value of `lanes`
 --> pit.yaml:3:8
  |
3 | lanes: 2
  |        ^ must not be more than 1
"),
    ("adapter: x\nworker_profile: threat\nanything: 1", "
error: invalid value of `worker_profile`
 --> pit.yaml:2:17
  |
2 | worker_profile: threat
  |                 ^^^^^^ did you mean `thread`?
  = help: this program knows `process` and `thread`
"),
    (
        "adapter: x\nmode: Through",
        "
error: invalid value of `mode`
 --> pit.yaml:2:7
  |
2 | mode: Through
  |       ^^^^^^^ expected `quick` or `thorough`, found `Through`
  = help: did you mean `thorough`?
",
    ),
    ("adapter: x\nadapter_env: {A: 1, B: [x]}", "
error: invalid value of `adapter_env.B`
 --> pit.yaml:2:24
  |
2 | adapter_env: {A: 1, B: [x]}
  |                        ^ expected a string, found a list
"),
    ("adapter: x\npreload: [a, {b: c}]", "
error: invalid value of `preload[1]`
 --> pit.yaml:2:14
  |
2 | preload: [a, {b: c}]
  |              ^ expected a string, found a mapping
"),
    ("adapter: x\n<<: 5", "
error: nothing to merge here
 --> pit.yaml:2:5
  |
2 | <<: 5
  |     ^ expected a mapping, or an alias of one
"),
];
