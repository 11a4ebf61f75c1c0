// hilum release STUDY_UID: a person has looked at a study that was held because its patients contradict each other.
import { pino } from 'pino';
import type { LoadedSettings } from '../../config/load.ts';
import { WorkitemsRepository } from '../../storage/workitems.repository.ts';
import { JobQueue } from '../pipeline/queue.ts';
import { withDatabase } from './database.ts';

export async function releaseCommand([study]: string[], settings: LoadedSettings): Promise<number> {
  if (study === undefined) throw new Error('usage: release STUDY_UID');
  return withDatabase(settings, async (dataSource, url) => {
    const queue = new JobQueue(url, pino({ level: 'silent' }));
    await queue.start([], false);
    try {
      const images = await new WorkitemsRepository(dataSource).release(study, async (instances, transaction) => {
        for (const instanceId of instances) await queue.send('analyze', { instanceId }, { transaction });
        await queue.send('close', { studyInstanceUid: study }, { transaction });
      });
      if (images === undefined) throw new Error(`study ${study} is not held`);
      console.log(`${images.length} images will be analysed`);
      return 0;
    } finally {
      await queue.stop();
    }
  });
}
