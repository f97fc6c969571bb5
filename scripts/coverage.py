#!/usr/bin/env python3
"""Prints line coverage per folder: coverage.py BUILD_DIR, after tests ran in a MODE=cov build.

Counts of a line that several objects hold (headers) are added up; only our own code is shown, not
tests and generated sources."""
import json
import os
import subprocess
import sys
from collections import defaultdict

OURS = ('libshared/', 'services/', 'cli/', 'agent/')
BATCH = 64


def notes_below(folder):
    for where, _, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(where, name)
            if name.endswith('.gcno') and f'{os.sep}tests{os.sep}' not in path:
                yield path


def lines_of(notes):
    """{file: {line: count}} of all objects."""
    found = defaultdict(lambda: defaultdict(int))
    for i in range(0, len(notes), BATCH):
        out = subprocess.run(['gcov', '--json-format', '--stdout', *notes[i:i + BATCH]], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for document in filter(None, out.splitlines()):
            for file in json.loads(document)['files']:
                name = os.path.normpath(file['file'])
                if name.startswith(OURS):
                    for line in file['lines']:
                        found[name][line['line_number']] += line['count']
    return found


def main():
    folders = defaultdict(lambda: [0, 0])
    for name, lines in lines_of(list(notes_below(sys.argv[1]))).items():
        hit = sum(count > 0 for count in lines.values())
        for folder in (os.path.dirname(name), 'all'):
            folders[folder][0] += hit
            folders[folder][1] += len(lines)
    if not folders:
        sys.exit('coverage: no objects of a MODE=cov build')
    for folder, (hit, total) in sorted(folders.items(), key=lambda row: (row[0] == 'all', row[0])):
        print(f'{100 * hit / total:6.1f} %  {hit:6} of {total:6}  {folder}')


if __name__ == '__main__':
    main()
