// Grows inputs for LLVMFuzzerTestOneInput where the compiler has no libFuzzer (gcc): small changes to what has reached new
// code, told by -fsanitize-coverage=trace-pc. Takes some of libFuzzer's options, so that whoever runs it need not know which it is:
//
//     PROGRAM [-max_total_time=SECONDS] [-seed=N] [-max_len=BYTES] [-artifact_prefix=PATH] [FILE|DIRECTORY…]
//
// An input that a sanitizer objects to is written to PATHcrash, with status 1. This file is built without either.
#include <sanitizer/common_interface_defs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) __attribute__((weak));

namespace {

using Input = std::vector<uint8_t>;

constexpr size_t kEdges = 1 << 16;
uint8_t reached[kEdges];
uintptr_t previous;

const Input* current;
std::string artifact = "";

void write_artifact() {
  if (current == nullptr) return;
  std::ofstream(artifact + "crash", std::ios::binary)
      .write(reinterpret_cast<const char*>(current->data()), static_cast<std::streamsize>(current->size()));
}

class Fuzzer {
 public:
  Fuzzer(uint32_t seed, size_t longest) : random_(seed), longest_(longest) {}

  void add(Input input) {
    if (input.size() > longest_) input.resize(longest_);
    run(input);
    corpus_.push_back(std::move(input));
  }

  void step() {
    Input input = corpus_[below(corpus_.size())];
    for (size_t changes = 1 + below(6); changes > 0; changes--) change(input);
    if (input.size() > longest_) input.resize(longest_);
    if (run(input)) corpus_.push_back(std::move(input));
  }

  uint64_t executions = 0;
  size_t edges() const { return edges_; }
  size_t kept() const { return corpus_.size(); }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  // Whether it reached something that none had before.
  bool run(const Input& input) {
    memset(reached, 0, sizeof reached);
    previous = 0;
    // Its own allocation, so that a read past the end is seen.
    const Input copy(input.begin(), input.end());
    current = &copy;
    LLVMFuzzerTestOneInput(copy.data(), copy.size());
    current = nullptr;
    executions++;
    bool is_new = false;
    for (size_t i = 0; i < kEdges; i++) {
      // Counts in powers of two: ten rounds of a loop are another thing than one.
      const auto bucket = static_cast<uint8_t>(reached[i] == 0 ? 0 : 1 << (31 - __builtin_clz(reached[i])));
      if ((bucket & ~seen_[i]) == 0) continue;
      if (seen_[i] == 0) edges_++;
      seen_[i] |= bucket;
      is_new = true;
    }
    return is_new;
  }

  void change(Input& input) {
    static constexpr uint64_t borders[] = {0, 1, 2, 7, 8, 16, 63, 64, 127, 128, 255, 256, 4095, 4096, 0x7fff, 0xffff,
                                           0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, UINT64_MAX};
    const size_t at = below(input.size() + 1);
    const size_t rest = input.size() - at;
    const auto here = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(8)) {
      case 0:
        if (rest > 0) input[at] ^= static_cast<uint8_t>(1 << below(8));
        return;
      case 1:
        if (rest > 0) input[at] = static_cast<uint8_t>(random_());
        return;
      case 2: {
        uint64_t value = borders[below(std::size(borders))] + below(3) - 1;
        const size_t width = size_t{1} << below(4);
        for (size_t i = 0; i < width && i < rest; i++, value >>= 8) input[at + i] = static_cast<uint8_t>(value);
        return;
      }
      case 3:
        input.erase(here, here + static_cast<std::ptrdiff_t>(below(std::min<size_t>(rest, 64) + 1)));
        return;
      case 4: {
        const Input bytes(1 + below(16), static_cast<uint8_t>(random_()));
        input.insert(here, bytes.begin(), bytes.end());
        return;
      }
      case 5: {  // a piece of another one
        const Input& other = corpus_[below(corpus_.size())];
        if (other.empty()) return;
        const size_t from = below(other.size());
        const size_t length = 1 + below(std::min<size_t>(other.size() - from, 64));
        const Input piece(other.begin() + static_cast<std::ptrdiff_t>(from),
                          other.begin() + static_cast<std::ptrdiff_t>(from + length));
        input.insert(here, piece.begin(), piece.end());
        return;
      }
      case 6: {  // a piece of its own, elsewhere
        if (input.empty()) return;
        const size_t from = below(input.size());
        for (size_t i = 0; i < 8 && i < rest && from + i < input.size(); i++) input[at + i] = input[from + i];
        return;
      }
      default:
        input.resize(below(input.size() + 1));
    }
  }

  std::mt19937 random_;
  const size_t longest_;
  std::vector<Input> corpus_;
  uint8_t seen_[kEdges] = {};
  size_t edges_ = 0;
};

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(file), {});
}

bool option(const char* argument, const char* name, std::string* value) {
  const size_t length = strlen(name);
  if (strncmp(argument, name, length) != 0) return false;
  *value = argument + length;
  return true;
}

}  // namespace

extern "C" void __sanitizer_cov_trace_pc() {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  const size_t edge = (previous ^ (here * 0x9e3779b97f4a7c15)) >> 7 & (kEdges - 1);
  if (reached[edge] < 255) reached[edge]++;
  previous = here >> 1;
}

int main(int argc, char** argv) {
  std::string seconds = "10", seed = "1", longest = "4096";
  std::vector<std::filesystem::path> paths;
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; i++) {
    if (option(argv[i], "-max_total_time=", &seconds) || option(argv[i], "-seed=", &seed) ||
        option(argv[i], "-max_len=", &longest) || option(argv[i], "-artifact_prefix=", &artifact) || argv[i][0] == '-') {
      continue;
    }
    paths.emplace_back(argv[i]);
  }
  __sanitizer_set_death_callback(write_artifact);
  static Fuzzer fuzzer(static_cast<uint32_t>(atoll(seed.c_str())), static_cast<size_t>(atoll(longest.c_str())));
  fuzzer.add({});
  for (const auto& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      fuzzer.add(read_file(path));
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path)) fuzzer.add(read_file(entry.path()));
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(atoll(seconds.c_str()));
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 200; i++) fuzzer.step();
  }
  printf("stat::number_of_executed_units: %llu\nedges: %zu\nkept: %zu\n",
         static_cast<unsigned long long>(fuzzer.executions), fuzzer.edges(), fuzzer.kept());
  return 0;
}
