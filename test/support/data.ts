// Data that is not part of the repository: radiographs and training sets, where a person has put them beside it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PLACES = ['../../data/', '../../../shared/data/'];

/** The folder `name` of the shared data, or undefined where there is none: the test then skips itself. */
export function sharedData(name: string): string | undefined {
  return PLACES.map((place) => fileURLToPath(new URL(`${place}${name}`, import.meta.url))).find((path) => existsSync(path));
}
