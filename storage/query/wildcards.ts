// Wildcard matching (PS3.4 C.2.2.2.4): '*' is any number of characters, '?' is one; only of these value representations.

const WILDCARD_VRS: ReadonlySet<string> = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);

export function hasWildcards(vr: string, value: string): boolean {
  return WILDCARD_VRS.has(vr) && /[*?]/.test(value);
}

const ESCAPED = /[\\%_]/g;

/** For LIKE. What LIKE takes for wildcards, and DICOM does not, is escaped. */
export function likePattern(value: string): string {
  return value.replace(ESCAPED, '\\$&').replace(/\*+/g, '%').replaceAll('?', '_');
}

/** For `~`, where a wildcard must not reach beyond one component group of a name. */
export function groupPattern(value: string): string {
  return regexText(value).replace(/(\\\*)+/g, '[^=]*').replaceAll('\\?', '[^=]');
}

/** Text as a regular expression of Postgres that matches itself. */
export function regexText(value: string): string {
  return value.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}
