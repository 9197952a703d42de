#!/bin/sh
# A first session with the installed package and nothing else: record, rate, read, audit. Ends at the first failure.
set -eu
grokputer --version
cat > session.json <<'JSON'
{"session_id": "first", "task": "Sort the invoices by date", "success": false, "user_rating": 2,
 "user_comment": "It opened the wrong folder.", "issues": ["wrong_action"],
 "iterations": [{"prompt": "Which folder?", "response": "Documents", "execution_time": 1.5}]}
JSON
grokputer init
grokputer settings set rating.threshold 4.0
grokputer runs import session.json
grokputer runs
grokputer status
grokputer log --limit 20
grokputer settings
grokputer verify
grokputer replay
grokputer why rating.threshold
grokputer log export log.jsonl
grokputer doctor || test $? -eq 1
if grokputer run "What is 2 + 2?" 2>error.txt; then echo "a run without a model succeeded" >&2; exit 1; fi
test "$(wc -l < error.txt)" -eq 1
grep -q "pip install 'grokputer\[train\]'" error.txt
