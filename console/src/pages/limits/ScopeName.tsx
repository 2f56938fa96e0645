import type { Schemas } from '../../api/types';
import { useNames } from '../../session/names';

/** What a limit is on, by its name. */
export function ScopeName({ scope }: { scope: Schemas['LimitScope'] }) {
  const nameOf = useNames(scope.type === 'key' ? ['api_key_id'] : []);
  if (scope.type === 'organization') return <>The whole organization</>;
  if (scope.type === 'key') return <>Key {nameOf('api_key_id', scope.id)}</>;
  return <>Project {nameOf('project_id', scope.id)}</>;
}
