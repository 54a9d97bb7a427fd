# Reads what `llvm-cov show` prints, in which code that is compiled more than once stands more than
# once, prints how much was run, and writes what was not.
BEGIN { printf "" > rows }
/^\/.*\.rs:$/ { file = substr($0, 1, length($0) - 1); sub(/.*\/core\/src\//, "", file); next }
/^ *\|  Branch .*\[True/ {
    at = $0; sub(/.*Branch \(/, "", at); sub(/\).*/, "", at)
    yes = $0; sub(/.*True: /, "", yes); sub(/,.*/, "", yes)
    no = $0; sub(/.*False: /, "", no); sub(/\].*/, "", no)
    key = file ":" at
    branch[key] = file "\t" text
    if (yes != "0") true[key] = 1
    if (no != "0") false[key] = 1
    next
}
/^ *[0-9]+\| *[0-9.kMG]*\|/ {
    number = $0; sub(/\|.*/, "", number); sub(/^ */, "", number)
    count = $0; sub(/^[^|]*\| */, "", count); sub(/\|.*/, "", count)
    text = $0; sub(/^[^|]*\|[^|]*\| */, "", text)
    if (count == "") next
    line[file ":" number] = file "\t" text
    if (count != "0") ran[file ":" number] = 1
}
END {
    for (key in line) { lines++; if (key in ran) run++; else print line[key] "\tline" > rows }
    for (key in branch) {
        branches += 2
        if (key in true) taken++; else print branch[key] "\tnever so" > rows
        if (key in false) taken++; else print branch[key] "\tnever otherwise" > rows
    }
    printf "%s: %d of %d lines (%.1f %%), %d of %d branches (%.1f %%)\n", name, run, lines,
        100 * run / lines, taken, branches, 100 * taken / branches
}
