import { Checkbox, SegmentedControl, Stack, TagsInput, Text } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useModels } from '../../session/models';
import { useProject } from '../../session/project';
import { Fields } from '../../ui/Fields';
import { RESOURCES, type RestrictionValues } from './restriction';

const MODES = [
  { value: 'all', label: 'All' },
  { value: 'restricted', label: 'Restricted' },
  { value: 'read_only', label: 'Read only' },
];

interface RestrictionsProps<Values extends RestrictionValues> {
  form: UseFormReturnType<Values>;
}

/** What a key may do, with which models, from where. */
export function Restrictions<Values extends RestrictionValues>({ form }: RestrictionsProps<Values>) {
  const models = useModels(useProject());
  const { permissions, resources } = form.values;
  const set = (field: 'permissions' | 'resources', value: unknown) => {
    form.setFieldValue(field, value as never);
  };
  return (
    <>
      <Fields legend="Permissions">
        <Stack gap="xs">
          <SegmentedControl
            data={MODES}
            value={permissions}
            aria-label="Permissions"
            onChange={(mode) => {
              set('permissions', mode);
            }}
          />
          {permissions === 'restricted' &&
            RESOURCES.map(({ id, name, access }) => (
              <Checkbox
                key={id}
                label={name}
                checked={(resources[id] ?? 'none') !== 'none'}
                onChange={(event) => {
                  const chosen = event.currentTarget.checked ? access : 'none';
                  set('resources', { ...resources, [id]: chosen });
                }}
              />
            ))}
          <Text size="xs" c="dimmed">
            A key never does more than its owner may do in the project.
          </Text>
          {form.errors.permissions && (
            <Text size="xs" c="var(--farebox-bad)" role="alert">
              {form.errors.permissions}
            </Text>
          )}
        </Stack>
      </Fields>
      <TagsInput
        label="Models"
        description="Leave it empty for all."
        data={models.data ?? []}
        clearable
        {...form.getInputProps('models')}
      />
      <TagsInput
        label="IP addresses"
        description="Addresses or networks such as 203.0.113.0/24. Leave it empty for all."
        clearable
        {...form.getInputProps('ip_ranges')}
      />
    </>
  );
}
