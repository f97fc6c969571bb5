// The blocks of a Markdown document, in order, as far as the API documents use Markdown:
//   { kind: 'heading' | 'fence' | 'item' | 'table' | 'text', text, line, path, … }
// `path` holds the headings that the block stands below, its own included for a heading.

const FENCE = /^```\s*(\w*)\s*$/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^(\s*)(?:[-*]|\d+\.)\s+(.*)$/;

/** Blocks of a text. A fence without an end reaches to the end of the text. */
export function parseMarkdown(text) {
  const lines = text.split(/\r?\n/);
  const blocks = [];
  const path = []; // of { level, text }
  const add = (block) => {
    blocks.push({ ...block, path: path.map((heading) => heading.text) });
    return blocks.at(-1);
  };
  let open = null; // the paragraph or table that the next line may belong to

  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const at = i + 1;
    const fence = FENCE.exec(line.trim());
    if (fence) {
      const end = lines.findIndex((other, j) => j > i && other.trim() === '```');
      const body = lines.slice(i + 1, end < 0 ? lines.length : end);
      add({ kind: 'fence', language: fence[1], text: body.join('\n'), line: at });
      i = end < 0 ? lines.length : end;
      open = null;
      continue;
    }
    const heading = HEADING.exec(line);
    if (heading) {
      const level = heading[1].length;
      while (path.length > 0 && path.at(-1).level >= level) path.pop();
      path.push({ level, text: heading[2] });
      add({ kind: 'heading', level, text: heading[2], line: at });
      open = null;
      continue;
    }
    const item = ITEM.exec(line);
    if (item) {
      open = add({ kind: 'item', indent: item[1].length, text: item[2], line: at });
    } else if (line.trim() === '' || line.trim() === '---') {
      open = null;
    } else if (line.startsWith('|')) {
      if (open?.kind !== 'table') open = add({ kind: 'table', rows: [], text: '', line: at });
      const cells = line.split('|').slice(1, -1).map((cell) => cell.trim());
      if (!cells.every((cell) => /^:?-+:?$/.test(cell))) open.rows.push(cells);
      open.text += `${line}\n`;
    } else if (open && open.kind !== 'table' && !line.startsWith('**')) {
      open.text += ` ${line.trim()}`;
    } else {
      open = add({ kind: 'text', text: line.trim(), line: at });
    }
  }
  return blocks;
}

/**
 * Whether the block stands in the section of this name, or below it. 'Auth > Login' is a Login below an
 * Auth; what headings have in brackets at their end is left out.
 */
export function isWithin(block, section) {
  const wanted = section.split(' > ');
  const path = block.path.map((heading) => heading.replace(/ \([^)]*\)$/, ''));
  return path.some((_, i) => wanted.every((part, j) => path[i + j] === part));
}
