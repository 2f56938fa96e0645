// Puts a .br and a .gz beside every asset worth it, so that the binary never compresses on request,
// and holds the first load, and all of it, to their budgets.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const DIST = new URL('../dist/', import.meta.url).pathname;
const MIN_BYTES = 1024;
const COMPRESSIBLE = new Set(['.html', '.js', '.css', '.svg', '.json', '.map', '.txt', '.wasm']);
const FIRST_LOAD_GZIP_BYTES = 200 * 1000;
const TOTAL_GZIP_BYTES = 450 * 1000;

const brotliOptions = (bytes) => ({
  params: {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes,
  },
});

const sizes = new Map();
for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !COMPRESSIBLE.has(extname(path))) continue;
  const content = readFileSync(path);
  const gzip = gzipSync(content, { level: constants.Z_BEST_COMPRESSION });
  sizes.set(path.slice(DIST.length), gzip.length);
  if (content.length < MIN_BYTES) continue;
  writeFileSync(`${path}.gz`, gzip);
  writeFileSync(`${path}.br`, brotliCompressSync(content, brotliOptions(content.length)));
}

// The first load is the page and what it names: scripts, styles and preloads.
const page = readFileSync(join(DIST, 'index.html'), 'utf8');
const named = [...page.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1]);
const firstLoad = ['index.html', ...named].reduce(
  (sum, name) => sum + (sizes.get(name) ?? statSync(join(DIST, name)).size),
  0,
);
const total = [...sizes].reduce((sum, [name, size]) => sum + (name.endsWith('.map') ? 0 : size), 0);
const kilobytes = (bytes) => `${Math.round(bytes / 1000)} kB`;

function hold(what, bytes, budget, advice) {
  if (bytes <= budget) return;
  console.error(`${what} is ${kilobytes(bytes)} gzipped; the budget is ${kilobytes(budget)}. ${advice}`);
  process.exitCode = 1;
}

hold('The first load', firstLoad, FIRST_LOAD_GZIP_BYTES, 'Load what is not on the first page lazily.');
hold('The console', total, TOTAL_GZIP_BYTES, 'Look for a library that does little for its size.');
console.log(`Console built: first load ${kilobytes(firstLoad)}, all ${kilobytes(total)} gzipped.`);
