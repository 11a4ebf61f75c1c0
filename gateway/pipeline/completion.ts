// The job `close`: a study whose quiet period is over is complete; its workitem goes on to the results.
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { WorkitemsRepository } from '../../storage/workitems.repository.ts';
import { judgesOf, routeNamed } from './models-in-use.ts';
import type { JobQueue } from './queue.ts';

export interface CompletionOptions {
  settings: () => Settings;
  models: () => ModelPackage[];
  settingsDigest: (model: string) => string;
  workitems: WorkitemsRepository;
  queue: JobQueue;
  log: Logger;
}

export async function closeStudy(studyInstanceUid: string, options: CompletionOptions): Promise<void> {
  const { workitems, queue, log } = options;
  const { notBefore, workitem } = await workitems.closeStudy(studyInstanceUid, judgesOf(options), {
    whenReady: (workitemId, transaction) => queue.send('report', { workitemId }, { transaction }),
    analyze: async (images, transaction) => {
      for (const instanceId of images) await queue.send('analyze', { instanceId }, { transaction });
    },
    isOutside: (route) => routeNamed(route, options)?.worker === 'outside',
    publish: (workitemId, transaction) => queue.send('outside', { workitemId }, { transaction }),
  });
  // A later instance moved the end of the quiet period, and its own job will close the study.
  if (notBefore) log.debug({ study: studyInstanceUid, notBefore }, 'study still receiving');
  else log.info({ study: studyInstanceUid, workitem }, 'study complete');
}
