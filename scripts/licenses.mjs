/** The licences of packages that are in a bundle, which have to go with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const RULE = '-'.repeat(80);
/** The package's directory, and the rest. */
const IN_PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\/(.+)$/;
/** As it stands in the head of a file, where Apache's licence leaves it. */
const COPYRIGHT = /^[\s/*#]*(copyright (?:\(c\) )?\d{4}.*?)[\s/*]*$/gim;

/**
 * @param {string} root the project's directory
 * @param {readonly string[]} inputs files of the bundle, as seen from there
 * @returns {string} a part for each package, by name: its licence files, and whose the files are that say so themselves
 */
export function formatLicenses(root, inputs) {
  const filesByPackage = new Map();
  for (const input of inputs) {
    const [, directory, file] = IN_PACKAGE.exec(input) ?? [];
    if (directory === undefined) continue;
    filesByPackage.set(directory, [...(filesByPackage.get(directory) ?? []), file]);
  }
  const parts = [...filesByPackage]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([directory, files]) => formatPackage(join(root, directory), files));
  return `The command contains code of these packages.\n\n${parts.join(`\n\n${RULE}\n\n`)}\n`;
}

function formatPackage(directory, files) {
  const { name, version, license, author } = JSON.parse(
    readFileSync(join(directory, 'package.json'), 'utf8'),
  );
  const texts = licenceFiles(directory, files).map(path => readFileSync(path, 'utf8').trim());
  if (texts.length === 0) {
    const by = typeof author === 'string' ? author : (author?.name ?? 'an author whom it does not name');
    texts.push(`By ${by}. The package names its licence and has no text of it.`);
  }
  const text = texts.join('\n\n');
  const notices = new Set(files.flatMap(file => copyrightsIn(readFileSync(join(directory, file), 'utf8'))));
  const others = [...notices].filter(notice => !text.includes(notice)).sort();
  return [`${name} ${version} (${license})`, ...(others.length > 0 ? [others.join('\n')] : []), text].join(
    '\n\n',
  );
}

/** Those of the package, and those of a directory in it that has its own. */
function licenceFiles(directory, files) {
  const places = new Set(['.']);
  for (const file of files)
    for (let place = dirname(file); place !== '.'; place = dirname(place)) places.add(place);
  return [...places].sort().flatMap(place =>
    readdirSync(join(directory, place), { withFileTypes: true })
      .filter(entry => entry.isFile() && /^(licen[cs]e|notice|copying)/i.test(entry.name))
      .map(({ name }) => join(directory, place, name)),
  );
}

function copyrightsIn(text) {
  return [...text.matchAll(COPYRIGHT)].map(([, notice]) => notice.trim());
}
