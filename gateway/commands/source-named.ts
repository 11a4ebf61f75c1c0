// Commands name a source as the settings do.
import type { Settings, Source } from '../../config/settings.ts';

/** @throws {Error} saying which sources there are */
export function sourceNamed(name: string, { sources }: Pick<Settings, 'sources'>): Source {
  const source = sources.find((candidate) => candidate.name === name);
  if (!source) throw new Error(`there is no source "${name}"; the settings have ${sources.map((each) => each.name).join(', ') || 'none'}`);
  return source;
}
