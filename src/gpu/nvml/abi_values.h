// The numbers of the part of libnvidia-ml.so.1's binary interface that we use: return codes, enums,
// sizes of buffers and ids. tests/nvml/nvml_abi_values.cc compares every one of them with the real
// nvml.h. gpu/nvml/abi.h has the structs, and includes this header.
//
// Threading: plain data.
// Errors: none.
#pragma once

namespace tranche::gpu::nvml {

// nvmlReturn_t
enum Return : unsigned {
  kSuccess = 0,
  kUninitialized = 1,
  kInvalidArgument = 2,
  kNotSupported = 3,
  kNoPermission = 4,
  kAlreadyInitialized = 5,
  kNotFound = 6,
  kInsufficientSize = 7,
  kInsufficientPower = 8,
  kDriverNotLoaded = 9,
  kTimeout = 10,
  kIrqIssue = 11,
  kLibraryNotFound = 12,
  kFunctionNotFound = 13,
  kCorruptedInforom = 14,
  kGpuIsLost = 15,
  kResetRequired = 16,
  kOperatingSystem = 17,
  kLibRmVersionMismatch = 18,
  kInUse = 19,
  kMemory = 20,
  kNoData = 21,
  kVgpuEccNotSupported = 22,
  kInsufficientResources = 23,
  kFreqNotSupported = 24,
  kArgumentVersionMismatch = 25,
  kDeprecated = 26,
  kNotReady = 27,
  kGpuNotFound = 28,
  kInvalidState = 29,
  kUnknown = 999,
};

// Buffer sizes that are always enough.
inline constexpr unsigned kUuidBufferSize = 96;            // NVML_DEVICE_UUID_V2_BUFFER_SIZE
inline constexpr unsigned kNameBufferSize = 96;            // NVML_DEVICE_NAME_V2_BUFFER_SIZE
inline constexpr unsigned kVersionBufferSize = 80;         // NVML_SYSTEM_*_VERSION_BUFFER_SIZE
inline constexpr unsigned kSerialBufferSize = 30;          // NVML_DEVICE_SERIAL_BUFFER_SIZE
inline constexpr unsigned kPciBusIdBufferSize = 32;        // NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE
inline constexpr unsigned kPciBusIdLegacyBufferSize = 16;  // …_BUS_ID_BUFFER_V2_SIZE
inline constexpr unsigned kFabricUuidSize = 16;            // NVML_GPU_FABRIC_UUID_LEN

inline constexpr unsigned kInitFlagNoGpus = 1;    // NVML_INIT_FLAG_NO_GPUS: no GPU is no error
inline constexpr unsigned kInitFlagNoAttach = 2;  // NVML_INIT_FLAG_NO_ATTACH

inline constexpr unsigned kMaxNvLinks = 36;          // NVML_NVLINK_MAX_LINKS (18 before CUDA 13)
inline constexpr unsigned kNoInstance = 0xFFFFFFFF;  // GPU or compute instance of a whole GPU
inline constexpr unsigned long long kMemoryNotAvailable = ~0ULL;  // NVML_VALUE_NOT_AVAILABLE

enum Brand : unsigned {  // nvmlBrandType_t
  kBrandUnknown = 0,
  kBrandTesla = 2,
  kBrandGeforce = 5,
  kBrandNvidiaRtx = 13,
  kBrandNvidia = 14,
  kBrandGeforceRtx = 15,
};

enum EnableState : unsigned { kDisabled = 0, kEnabled = 1 };  // nvmlEnableState_t

// nvmlDeviceArchitecture_t
inline constexpr unsigned kArchVolta = 5;
inline constexpr unsigned kArchTuring = 6;
inline constexpr unsigned kArchAmpere = 7;
inline constexpr unsigned kArchAda = 8;
inline constexpr unsigned kArchHopper = 9;
inline constexpr unsigned kArchUnknown = 0xFFFFFFFF;

// Arguments `profile` of the profile calls; an id in GpuInstanceInfo is the driver's own number.
inline constexpr unsigned kGpuInstanceProfile1Slice = 0;
inline constexpr unsigned kGpuInstanceProfile2Slice = 1;
inline constexpr unsigned kGpuInstanceProfile3Slice = 2;
inline constexpr unsigned kGpuInstanceProfile4Slice = 3;
inline constexpr unsigned kGpuInstanceProfile7Slice = 4;
inline constexpr unsigned kGpuInstanceProfile8Slice = 5;
inline constexpr unsigned kGpuInstanceProfile6Slice = 6;
inline constexpr unsigned kGpuInstanceProfile1SliceRev1 = 7;  // "+me"
inline constexpr unsigned kGpuInstanceProfile2SliceRev1 = 8;
inline constexpr unsigned kGpuInstanceProfile1SliceRev2 = 9;  // twice the memory
inline constexpr unsigned kGpuInstanceProfileCount = 0x12;    // of CUDA 13.5; 0x0a to 0x11 before
inline constexpr unsigned kComputeInstanceProfile1Slice = 0;
inline constexpr unsigned kComputeInstanceProfile2Slice = 1;
inline constexpr unsigned kComputeInstanceProfile3Slice = 2;
inline constexpr unsigned kComputeInstanceProfile4Slice = 3;
inline constexpr unsigned kComputeInstanceProfile7Slice = 4;
inline constexpr unsigned kComputeInstanceProfile8Slice = 5;
inline constexpr unsigned kComputeInstanceProfile6Slice = 6;
inline constexpr unsigned kComputeInstanceProfile1SliceRev1 = 7;
inline constexpr unsigned kComputeInstanceProfileCount = 9;

// Event types, a mask.
inline constexpr unsigned long long kEventSingleBitEcc = 0x1;
inline constexpr unsigned long long kEventDoubleBitEcc = 0x2;
inline constexpr unsigned long long kEventPState = 0x4;
inline constexpr unsigned long long kEventXidCritical = 0x8;
inline constexpr unsigned long long kEventClock = 0x10;

enum TopologyLevel : unsigned {  // nvmlGpuTopologyLevel_t
  kTopologyInternal = 0,
  kTopologySingle = 10,
  kTopologyMultiple = 20,
  kTopologyHostBridge = 30,
  kTopologyNode = 40,
  kTopologySystem = 50,
};

enum NvLinkDeviceType : unsigned {  // nvmlIntNvLinkDeviceType_t
  kNvLinkGpu = 0,
  kNvLinkIbmNpu = 1,
  kNvLinkSwitch = 2,
  kNvLinkUnknown = 0xFF,
};

enum P2pCapsIndex : unsigned {  // nvmlGpuP2PCapsIndex_t
  kP2pRead = 0,
  kP2pWrite = 1,
  kP2pNvLink = 2,
  kP2pAtomics = 3,
  kP2pPci = 4,
};

enum P2pStatus : unsigned { kP2pOk = 0, kP2pChipsetNotSupported = 1, kP2pNotSupported = 5 };

enum TemperatureSensor : unsigned { kTemperatureGpu = 0 };
enum TemperatureThreshold : unsigned {
  kThresholdShutdown = 0,
  kThresholdSlowdown = 1,
  kThresholdMemMax = 2,
  kThresholdGpuMax = 3,
};

enum ClockType : unsigned { kClockGraphics = 0, kClockSm = 1, kClockMemory = 2, kClockVideo = 3 };
enum ClockId : unsigned {
  kClockCurrent = 0,
  kClockAppTarget = 1,
  kClockAppDefault = 2,
  kClockCustomerBoostMax = 3
};
enum PState : unsigned { kPState0 = 0, kPState8 = 8, kPStateUnknown = 32 };
enum ComputeMode : unsigned {
  kComputeDefault = 0,
  kComputeProhibited = 2,
  kComputeExclusiveProcess = 3
};
enum PcieCounter : unsigned { kPcieTx = 0, kPcieRx = 1 };
enum EccErrorType : unsigned { kEccCorrected = 0, kEccUncorrected = 1 };
enum EccCounterType : unsigned { kEccVolatile = 0, kEccAggregate = 1 };
enum MemoryLocation : unsigned { kLocationDram = 2, kLocationSram = 7, kLocationCount = 8 };
enum AffinityScope : unsigned { kAffinityNode = 0, kAffinitySocket = 1 };
enum VirtualizationMode : unsigned { kVirtualizationNone = 0, kVirtualizationPassthrough = 1 };
enum DriverModel : unsigned { kDriverWddm = 0, kDriverWdm = 1 };

enum ValueType : unsigned {  // nvmlValueType_t
  kValueDouble = 0,
  kValueUnsigned = 1,
  kValueUnsignedLong = 2,
  kValueUnsignedLongLong = 3,
  kValueSignedLongLong = 4,
  kValueSigned = 5,
};

// Field ids (NVML_FI_DEV_…) that clients ask for.
inline constexpr unsigned kFieldEccCorrectedVolatile = 3;
inline constexpr unsigned kFieldEccUncorrectedVolatile = 4;
inline constexpr unsigned kFieldEccCorrectedAggregate = 5;
inline constexpr unsigned kFieldEccUncorrectedAggregate = 6;
inline constexpr unsigned kFieldMemoryTemperature = 82;
inline constexpr unsigned kFieldTotalEnergy = 83;  // mJ
inline constexpr unsigned kFieldNvLinkCount = 91;
inline constexpr unsigned kFieldPcieReplay = 94;
inline constexpr unsigned kFieldNvLinkDataTx = 138;  // KiB; scope: link, or ~0 for all
inline constexpr unsigned kFieldNvLinkDataRx = 139;
inline constexpr unsigned kFieldNvLinkRawTx = 140;
inline constexpr unsigned kFieldNvLinkRawRx = 141;
inline constexpr unsigned kFieldRemappedCorrectable = 142;
inline constexpr unsigned kFieldRemappedUncorrectable = 143;
inline constexpr unsigned kFieldRemappedPending = 144;
inline constexpr unsigned kFieldRemappedFailure = 145;
inline constexpr unsigned kFieldPowerAverage = 185;  // mW
inline constexpr unsigned kFieldPowerInstant = 186;

enum SamplingType : unsigned {
  kSamplePower = 0,
  kSampleGpuUtilization = 1,
  kSampleMemoryUtilization = 2,
  kSampleEncoderUtilization = 3,
  kSampleDecoderUtilization = 4,
  kSampleProcessorClock = 5,
  kSampleMemoryClock = 6,
};

// State of the fabric probe: nvmlGpuFabricState_t
inline constexpr unsigned char kFabricNotSupported = 0;
inline constexpr unsigned char kFabricNotStarted = 1;
inline constexpr unsigned char kFabricInProgress = 2;
inline constexpr unsigned char kFabricCompleted = 3;

}  // namespace tranche::gpu::nvml
