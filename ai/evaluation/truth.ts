// What is true of an image, in the labels of one model.
import type { Manifest } from '../runtime/manifest.ts';
import { EvaluationInputError } from './cases/case.ts';
import type { EvaluationCase } from './cases/case.ts';
import { joinedMeaning, meaningOf } from './cases/meaning.ts';
import type { Meaning, WordMap } from './cases/meaning.ts';
import type { Rectangle } from './figures/boxes.ts';

export interface Truth extends Meaning {
  /** Every opacity of the image; undefined where the list has boxes, and none of this positive image. */
  boxes: readonly Rectangle[] | undefined;
}

/**
 * @returns undefined where the map leaves all of its labels out
 * @throws {EvaluationInputError} for a label that says nothing to the model
 */
export function truthOf({ words, boxes, told }: EvaluationCase, manifest: Manifest, map: WordMap): Truth | undefined {
  const meanings = new Map(words.map((word) => [word, meaningOf(word, manifest, map)]));
  for (const [word, meaning] of meanings)
    if (meaning === undefined)
      throw new EvaluationInputError(
        `${told}: label "${word}" says neither positive nor negative to ${manifest.name} (${manifest.labels.map(({ name }) => name).join(', ')}); tell it by --map "${word}=positive", =negative or =skip`,
      );
  const joined = joinedMeaning([...meanings.values()].filter((meaning): meaning is Meaning => meaning !== undefined && meaning !== 'skip'));
  if (!joined) return undefined;
  if (!joined.positive) return { ...joined, boxes: [] };
  const own = boxes.filter(({ word }) => isPositive(meanings.get(word)));
  return { ...joined, boxes: own.length > 0 ? own : undefined };
}

function isPositive(meaning: Meaning | 'skip' | undefined): boolean {
  return typeof meaning === 'object' && meaning.positive;
}
