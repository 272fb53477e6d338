package sample

import "fmt"

// The commands with which anybody repeats what Garant did, in bash with openssl, sha256sum and
// the coreutils, beside the list of ids that the page of a sample gives out as population.txt.

// FrameCommand computes the digest of the population.
func FrameCommand() string { return "sha256sum population.txt" }

// Command draws the sample again and prints its ids in the order of the population.
func (s *Sample) Command() string {
	if s.Method == Systematic {
		step := Step(s.Frame.Size, s.Size)
		return fmt.Sprintf(`start=$(printf %%s start | openssl dgst -sha256 -hmac %s -r | cut -c1-14)
awk -v first=$((16#$start %% %d)) '(NR-1) >= first && (NR-1-first) %% %d == 0' population.txt | head -n %d`, s.Seed, step, step, s.Size)
	}
	return fmt.Sprintf(`while read -r id; do
  printf '%%s %%s\n' "$(printf %%s "$id" | openssl dgst -sha256 -hmac %s -r | cut -d' ' -f1)" "$id"
done < population.txt | LC_ALL=C sort | head -n %d | cut -d' ' -f2- > drawn.txt
grep -Fxf drawn.txt population.txt`, s.Seed, s.Size)
}
