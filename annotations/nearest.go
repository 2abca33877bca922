package annotations

import (
	"maps"
	"slices"
)

// nearest returns the annotation name that a misspelt one most likely means, or "".
func nearest(name string) string {
	var names []string
	for n, s := range settingsByName {
		if s.about().scope != PerController {
			names = append(names, n)
		}
	}
	return nearestOf(name, append(names, slices.Collect(maps.Keys(notYet))...))
}

// nearestKey returns the ConfigMap key that a misspelt one most likely means, or "".
func nearestKey(key string) string {
	return nearestOf(key, append(sortedKeys(settingsByConfigKey), slices.Concat(slices.Collect(maps.Keys(configKeysNotYet)), slices.Collect(maps.Keys(mootKeys)))...))
}

// nearestOf returns the name with the fewest edits, if that is at most a third of the letters.
func nearestOf(name string, names []string) string {
	best, fewest := "", len(name)/3+1
	slices.Sort(names)
	for _, candidate := range names {
		if d := editDistance(name, candidate, fewest); d < fewest {
			best, fewest = candidate, d
		}
	}
	return best
}

// editDistance counts insertions, deletions and replacements from a to b (Levenshtein); it may stop at limit.
func editDistance(a, b string, limit int) int {
	if max(len(a), len(b))-min(len(a), len(b)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
