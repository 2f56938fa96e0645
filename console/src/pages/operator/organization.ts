import { queryClient } from '../../api/queries';

/** Reads again what is shown of organizations. */
export const refreshOrganizations = () =>
  queryClient.invalidateQueries({ queryKey: ['operator', 'organizations'] });
